//! What `afterword status` knows.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::Timestamp;
use serde_json::{Value, json};
use terminal::{Fields, Style, plain};

use crate::api::limits::{Limits, Window};
use crate::clock;
use crate::connection::{Connection, Origin};
use crate::exit::Exit;
use crate::messages::Message;
use crate::push::folder::queue;
use crate::push::states::blocked;
use crate::times::{Zone, span};

/// Jobs that a user may wait for or do something about.
const COUNTED: [&str; 5] = ["uploading", "queued", "processing", "failed", "partial_failure"];
/// More of them are shown as "100 or more".
const MOST: usize = 100;

pub struct Report {
    server: String,
    origin: Origin,
    user: Option<String>,
    found: Result<Found, Message>,
    /// What `afterword push` has on this computer for the server; `None` if it never ran.
    queue: Option<engine::Status>,
}

struct Found {
    version: String,
    readiness: String,
    limits: Limits,
    limits_as_sent: Value,
    /// The numbers of jobs by status, and whether there are more.
    jobs: BTreeMap<&'static str, usize>,
    more: bool,
}

impl Report {
    pub async fn of(connection: &Connection) -> Self {
        let server = connection.api.server().to_owned();
        let found = Found::ask(connection).await;
        let by_token = || async { connection.api.claims().await.ok()?.sub };
        let user = match &connection.uid {
            Some(uid) => Some(uid.clone()),
            None => by_token().await,
        };
        let queue = queue(&connection.api, clock::now()).await;
        Self { server, origin: connection.origin.clone(), user, found, queue }
    }

    pub fn exit(&self) -> Exit {
        match &self.found {
            Ok(found) if found.limits.is_restricted() => Exit::Waiting,
            Ok(_) if self.queue.as_ref().is_some_and(|queue| queue.blocked.is_some()) => Exit::Waiting,
            Ok(_) => Exit::Done,
            Err(message) => message.exit(),
        }
    }

    pub fn text(&self, zone: &Zone, now: Timestamp) -> Fields {
        let mut fields = Fields::default();
        fields.add("server", format!("{} ({})", self.server, self.origin.describe()));
        self.user.iter().for_each(|user| fields.add("user", user));
        let queue_blocked = self.queue.as_ref().and_then(|queue| queue.blocked);
        match &self.found {
            Ok(found) => found.add_to(&mut fields, queue_blocked, zone, now),
            Err(message) => fields.styled("state", Style::Bad, message.to_string()),
        }
        if let Some(queue) = self.queue.as_ref().filter(|queue| queue.queue > 0) {
            fields.add("to send", waiting(queue.queue));
        }
        fields
    }

    pub fn json(&self) -> Value {
        let name = match &self.origin {
            Origin::Login { name } => Some(name),
            Origin::Environment | Origin::DataFolder { .. } => None,
        };
        let error = self.found.as_ref().err().map(ToString::to_string);
        let found = self.found.as_ref().ok();
        json!({
            "server": self.server,
            "origin": match self.origin {
                Origin::Environment => "environment",
                Origin::Login { .. } => "login",
                Origin::DataFolder { .. } => "data_folder",
            },
            "name": name,
            "user": self.user,
            "reachable": found.is_some(),
            "error": error,
            "version": found.map(|found| &found.version),
            "readiness": found.map(|found| &found.readiness),
            "may_upload": self.exit() == Exit::Done,
            "queue": self.queue,
            "limits": found.map(|found| &found.limits_as_sent),
            "jobs": found.map(|found| &found.jobs),
            "more_jobs": found.is_some_and(|found| found.more),
        })
    }
}

fn waiting(count: u64) -> String {
    if count == 1 { "1 recording waits".to_owned() } else { format!("{count} recordings wait") }
}

impl Found {
    async fn ask(connection: &Connection) -> Result<Self, Message> {
        let api = &connection.api;
        let (limits_as_sent, limits) = api.limits().await?;
        let jobs = api.jobs(&COUNTED.map(str::to_owned), MOST).await?;
        let count = |status: &str| jobs.jobs.iter().filter(|job| job["status"] == status).count();
        let said = |answer: engine::ports::Answer| serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        // A proxy may pass on only the API: then both stay empty.
        let health = api.open("/healthz").await.map(said)?;
        let readiness = api.open("/readyz").await.map(said)?;
        Ok(Self {
            version: plain(health["version"].as_str().unwrap_or_default()),
            readiness: plain(readiness["status"].as_str().unwrap_or_default()),
            limits,
            limits_as_sent,
            jobs: COUNTED.into_iter().map(|status| (status, count(status))).collect(),
            more: jobs.more,
        })
    }

    fn add_to(&self, fields: &mut Fields, queue_blocked: Option<engine::Blocked>, zone: &Zone, now: Timestamp) {
        let version = if self.version.is_empty() { String::new() } else { format!(", version {}", self.version) };
        let (style, state) = match self.readiness.as_str() {
            "ready" | "" => (Style::Good, "ready".to_owned()),
            "degraded" => (Style::Warning, "takes recordings; the speech engine is not available".to_owned()),
            other => (Style::Warning, other.replace('_', " ")),
        };
        fields.styled("state", style, state + &version);
        let (style, uploads) = self.uploads(queue_blocked, zone, now);
        fields.styled("uploads", style, uploads);
        for window in &self.limits.windows {
            fields.add("fair use", used(window));
        }
        if let Some(budget) = &self.limits.daily_budget {
            let length = |ms| span(Duration::from_millis(ms));
            let resets = zone.soon(budget.resets_at, now);
            fields.add(
                "budget",
                format!("{} of {} today, new at {resets}", length(budget.used_ms), length(budget.cap_ms)),
            );
        }
        fields.add("jobs", self.jobs());
    }

    /// Whether uploads are possible, by the server and by what it said to earlier ones.
    fn uploads(&self, queue_blocked: Option<engine::Blocked>, zone: &Zone, now: Timestamp) -> (Style, String) {
        if !self.limits.is_restricted() {
            let waits = queue_blocked.map(|why| (Style::Warning, blocked(why, now)));
            return waits.unwrap_or((Style::Good, "allowed".to_owned()));
        }
        let until = self.limits.restricted_until;
        let until = until.map(|at| format!(" until {} ({} left)", zone.soon(at, now), span(now.until(at))));
        let restricted =
            format!("restricted by fair use{}; recordings wait, nothing is lost", until.unwrap_or_default());
        (Style::Warning, restricted)
    }

    fn jobs(&self) -> String {
        let words: Vec<_> = COUNTED
            .iter()
            .filter_map(|status| Some((status, self.jobs.get(status).copied().filter(|count| *count > 0)?)))
            .map(|(status, count)| format!("{count} {}", status.replace('_', " ")))
            .collect();
        let more = if self.more { ", and more" } else { "" };
        if words.is_empty() { "none under way, none failed".to_owned() } else { words.join(", ") + more }
    }
}

fn used(window: &Window) -> String {
    let length = |ms| span(Duration::from_millis(ms));
    format!("{} of {} in {} hours", length(window.used_ms), length(window.cap_ms), window.hours)
}
