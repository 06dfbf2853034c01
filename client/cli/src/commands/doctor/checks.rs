//! The checks of `afterword doctor`, each of which says what it found.

use std::time::Duration;

use domain::Timestamp;
use engine::ports::Answer;
use serde_json::Value;
use terminal::plain;

use crate::api::Claims;
use crate::api::limits::Limits;
use crate::clock;
use crate::connection::{Connection, ServerArgs, connect, proxy};
use crate::exit::Exit;
use crate::local_server::LocalServers;
use crate::login::store::{Logins, folder};
use crate::messages::Message;
use crate::push::event_log;
use crate::push::folder::{folder as folder_of, queue};
use crate::push::states::blocked;
use crate::times::{Zone, span};

/// The server refuses a recording that lies further ahead than this.
const MOST_AHEAD: Duration = Duration::from_secs(300);
/// A smaller difference is told without a warning: the header has whole seconds, and the answer took its time.
const UNREMARKABLE: Duration = Duration::from_secs(30);
/// A token that ends sooner is worth a warning.
const SOON: Duration = Duration::from_secs(24 * 3600);
const MIB: u64 = 1024 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Good,
    Warning,
    Failed,
    Skipped,
}

impl State {
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

pub struct Check {
    pub name: &'static str,
    pub state: State,
    pub detail: String,
    /// How the command ends because of it.
    pub exit: Exit,
}

impl Check {
    fn new(name: &'static str, state: State, detail: impl Into<String>) -> Self {
        let exit = if state == State::Failed { Exit::Failed } else { Exit::Done };
        Self { name, state, detail: detail.into(), exit }
    }

    fn failed(name: &'static str, message: &Message) -> Self {
        // Wrong usage is a mistake in the configuration here.
        let exit = if message.exit() == Exit::Waiting { Exit::Waiting } else { Exit::Failed };
        Self { name, state: State::Failed, detail: message.to_string(), exit }
    }

    fn skipped(name: &'static str) -> Self {
        Self::new(name, State::Skipped, "not possible without the checks above")
    }
}

/// The checks, and what a report has besides them.
pub struct Checked {
    pub checks: Vec<Check>,
    /// What is on this computer for the server; `None` if nothing was ever recorded or pushed.
    pub queue: Option<engine::Status>,
    /// What happened in earlier commands.
    pub events: Vec<Value>,
}

pub async fn all(args: &ServerArgs, local: &dyn LocalServers) -> Checked {
    let mut checks = vec![configuration()];
    let connection = match connect(args, local) {
        Ok(connection) => connection,
        Err(message) => {
            checks.push(Check::failed("server", &message));
            checks.extend(["connection", "readiness", "clock", "token", "limits", "recordings"].map(Check::skipped));
            return Checked { checks, queue: None, events: Vec::new() };
        }
    };
    let server = format!("{} ({})", connection.api.server(), connection.origin.describe());
    checks.push(Check::new("server", State::Good, server));
    checks.extend(of_server(&connection).await);
    checks.extend(of_token(&connection).await);
    let queue = queue(&connection.api, clock::now()).await;
    checks.push(recordings(queue.as_ref()));
    let events = folder_of(&connection.api).await.map(|folder| event_log::read(&folder)).unwrap_or_default();
    Checked { checks, queue, events }
}

/// What was pushed from this computer, by its state.
fn recordings(queue: Option<&engine::Status>) -> Check {
    let Some(queue) = queue else {
        return Check::new("recordings", State::Good, "none were pushed from this computer");
    };
    let counts: Vec<_> = queue.counts.iter().map(|(state, count)| format!("{count} {}", state.as_str())).collect();
    let counts = if counts.is_empty() { "none".to_owned() } else { counts.join(", ").replace('_', " ") };
    match queue.blocked {
        Some(why) => Check::new("recordings", State::Warning, format!("{counts}; {}", blocked(why, clock::now()))),
        None => Check::new("recordings", State::Good, counts),
    }
}

fn configuration() -> Check {
    match (folder(), Logins::read()) {
        (Ok(folder), Ok(logins)) => {
            let count = logins.all().len();
            Check::new("configuration", State::Good, format!("{count} logins in {}", folder.display()))
        }
        (Err(message), _) | (_, Err(message)) => Check::failed("configuration", &message),
    }
}

async fn of_server(connection: &Connection) -> Vec<Check> {
    let api = &connection.api;
    let (sent, health) = (clock::now(), api.open("/healthz").await);
    let health = match health {
        Ok(answer) => answer,
        Err(message) => {
            let failed = Check::failed("connection", &message);
            return vec![failed, Check::skipped("readiness"), Check::skipped("clock")];
        }
    };
    let read = |answer: &Answer| serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
    let version = read(&health)["version"].as_str().map(plain);
    let tls = if api.server().starts_with("https:") { "its certificate is trusted" } else { "no TLS" };
    let tls = match proxy().ok().flatten().filter(|proxy| proxy.is_used_for(api.server())) {
        Some(proxy) => format!("{tls}; through the proxy {proxy}"),
        None => tls.to_owned(),
    };
    let connected = match version {
        Some(version) => Check::new("connection", State::Good, format!("answers, version {version}; {tls}")),
        None => Check::new("connection", State::Warning, format!("GET /healthz answered {}; {tls}", health.status)),
    };
    let readiness = match api.open("/readyz").await {
        Ok(answer) => ready(&answer, &read(&answer)),
        Err(message) => Check::failed("readiness", &message),
    };
    vec![connected, readiness, clock_difference(&health, sent, clock::now())]
}

fn ready(answer: &Answer, body: &Value) -> Check {
    let status = plain(body["status"].as_str().unwrap_or("unknown"));
    let wrong: Vec<_> = body["checks"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, check)| check["ok"] == false || check["degraded"] == true)
        .map(|(name, check)| format!("{}: {}", plain(name), plain(check["detail"].as_str().unwrap_or("not ready"))))
        .collect();
    let detail = if wrong.is_empty() { status.clone() } else { format!("{status} ({})", wrong.join("; ")) };
    let state = if answer.status == 200 && status == "ready" { State::Good } else { State::Warning };
    Check::new("readiness", state, detail)
}

/// The server's clock was read between the two times.
fn clock_difference(answer: &Answer, sent: Timestamp, received: Timestamp) -> Check {
    let date = answer.header("date").and_then(|text| httpdate::parse_http_date(text).ok());
    let since = date.and_then(|date| date.duration_since(std::time::UNIX_EPOCH).ok());
    let Some(server) = since.and_then(|since| i64::try_from(since.as_millis()).ok()) else {
        return Check::new("clock", State::Skipped, "the server does not tell its time");
    };
    let server = Timestamp::from_millis(server);
    // The header leaves out the part of a second.
    let ahead = (server + Duration::from_secs(1)).until(sent);
    let behind = received.until(server);
    match (ahead, behind) {
        (Duration::ZERO, Duration::ZERO) => Check::new("clock", State::Good, "as that of the server, to a second"),
        (ahead, Duration::ZERO) => {
            let mut detail = format!("{} ahead of the server's", span(ahead.max(Duration::from_secs(1))));
            if ahead > MOST_AHEAD {
                detail += "; it refuses recordings of its future: set this clock";
            }
            Check::new("clock", if ahead > UNREMARKABLE { State::Warning } else { State::Good }, detail)
        }
        (_, behind) => {
            let state = if behind > UNREMARKABLE { State::Warning } else { State::Good };
            Check::new("clock", state, format!("{} behind the server's", span(behind.max(Duration::from_secs(1)))))
        }
    }
}

async fn of_token(connection: &Connection) -> [Check; 2] {
    match connection.api.limits().await {
        Ok((_, limits)) => {
            let claims = connection.api.claims().await.unwrap_or_default();
            [token(&claims, connection.uid.as_deref(), clock::now()), upload_limits(&limits)]
        }
        Err(message) => [Check::failed("token", &message), Check::skipped("limits")],
    }
}

fn token(claims: &Claims, uid: Option<&str>, now: Timestamp) -> Check {
    let user = claims.sub.as_deref().or(uid).unwrap_or("an unnamed user").to_owned();
    let Some(end) = claims.expires() else { return Check::new("token", State::Good, format!("accepted, for {user}")) };
    let left = now.until(end);
    let detail = format!("accepted, for {user}, until {} ({} left)", Zone::new(false).minute(end), span(left));
    // Where new tokens come by themselves, it is no matter that this one ends.
    let is_short = left < SOON && uid.is_none();
    Check::new("token", if is_short { State::Warning } else { State::Good }, detail)
}

fn upload_limits(limits: &Limits) -> Check {
    let upload = &limits.upload;
    let sizes = format!(
        "{} files or {} MiB at once, {} MiB a file, {} MiB in an upload session",
        upload.max_files,
        upload.max_batch_bytes / MIB,
        upload.max_file_bytes / MIB,
        upload.resumable_max_file_bytes / MIB
    );
    if limits.is_restricted() {
        return Check::new("limits", State::Warning, format!("uploads are restricted by fair use; {sizes}"));
    }
    Check::new("limits", State::Good, sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_compared_to_a_second() {
        let answer = |date: &str| Answer { headers: vec![("date".into(), date.into())], ..Answer::default() };
        let server = answer("Fri, 20 Nov 2026 10:00:00 GMT");
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (sent, received, state, words) in [
            ("2026-11-20T10:00:00.200Z", "2026-11-20T10:00:00.900Z", State::Good, "to a second"),
            ("2026-11-20T10:00:09Z", "2026-11-20T10:00:10Z", State::Good, "8 s ahead"),
            ("2026-11-20T09:59:00Z", "2026-11-20T09:59:01Z", State::Warning, "59 s behind"),
            ("2027-11-20T10:00:00Z", "2027-11-20T10:00:01Z", State::Warning, "set this clock"),
        ] {
            let check = clock_difference(&server, at(sent), at(received));
            assert!(check.state == state && check.detail.contains(words), "{sent}: {}", check.detail);
        }
        assert_eq!(
            clock_difference(&Answer::default(), at("2026-11-20T10:00:00Z"), at("2026-11-20T10:00:00Z")).state,
            State::Skipped
        );
    }
}
