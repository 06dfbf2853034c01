//! The user's jobs.

use domain::Timestamp;
use engine::ports::Method;
use serde::Deserialize;
use serde_json::Value;

use super::{Api, escaped};
use crate::messages::Message;

/// The most jobs of a page.
const PAGE: usize = 100;
/// The fewest characters of an id that may be given instead of the whole.
const SHORTEST_ID: usize = 4;
pub const WHOLE_ID: usize = 36;
/// The most pages in which the beginning of an id is looked for.
const MAX_PAGES: usize = 100;

/// A job as `docs/API.md` describes it. Statuses and codes that this version does not know are shown as they are.
#[derive(Clone, Debug, Deserialize)]
pub struct Job {
    pub job_id: String,
    pub status: String,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub completed_at: Option<Timestamp>,
    #[serde(default)]
    pub attempt: u32,
    #[serde(default)]
    pub total_segments: u32,
    #[serde(default)]
    pub processed_segments: u32,
    #[serde(default)]
    pub failed_segments: u32,
    #[serde(default)]
    pub files: Vec<File>,
    pub waiting: Option<Waiting>,
    #[serde(default)]
    pub queue: Queue,
    pub error: Option<Fault>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct File {
    pub name: String,
    pub status: String,
    #[serde(default)]
    pub duration_ms: u64,
    #[serde(default)]
    pub speech_ms: u64,
    #[serde(default)]
    pub segments: u32,
    #[serde(default)]
    pub done: u32,
    pub code: Option<String>,
    pub detail: Option<String>,
    #[serde(default)]
    pub conversation_ids: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Waiting {
    pub since: Option<Timestamp>,
    pub next_try: Option<Timestamp>,
    pub code: String,
    #[serde(default)]
    pub detail: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Queue {
    #[serde(default)]
    pub ahead: u32,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Fault {
    pub code: String,
    #[serde(default)]
    pub detail: String,
    pub retryable: Option<bool>,
}

#[derive(Deserialize)]
struct Page {
    jobs: Vec<Value>,
    next_cursor: Option<String>,
}

/// Jobs as they were sent, and whether there are more.
pub struct Found {
    pub jobs: Vec<Value>,
    pub more: bool,
}

impl Api {
    /// The newest jobs of these statuses; of all without any.
    pub async fn jobs(&self, statuses: &[String], limit: usize) -> Result<Found, Message> {
        let (mut jobs, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.page(statuses, PAGE.min(limit - jobs.len()), cursor.as_deref()).await?;
            let is_empty = page.jobs.is_empty();
            jobs.extend(page.jobs);
            cursor = page.next_cursor;
            let more = cursor.is_some();
            // A page without jobs that promises more would go on for ever.
            if jobs.len() >= limit || !more || is_empty {
                jobs.truncate(limit);
                return Ok(Found { jobs, more });
            }
        }
    }

    async fn page(&self, statuses: &[String], limit: usize, cursor: Option<&str>) -> Result<Page, Message> {
        let mut path = format!("/v2/sync/jobs?limit={limit}");
        statuses.iter().for_each(|status| path += &format!("&status={}", escaped(status)));
        cursor.iter().for_each(|cursor| path += &format!("&cursor={}", escaped(cursor)));
        let page = self.get(&path).await?;
        serde_json::from_value(page).map_err(|_| self.odd(&path, "something else than jobs"))
    }

    pub async fn job(&self, id: &str) -> Result<Value, Message> {
        self.about_job(Method::Get, id, "").await
    }

    pub async fn retry_job(&self, id: &str) -> Result<Value, Message> {
        self.about_job(Method::Post, id, "/retry").await
    }

    pub async fn cancel_job(&self, id: &str) -> Result<Value, Message> {
        self.about_job(Method::Delete, id, "").await
    }

    async fn about_job(&self, method: Method, id: &str, action: &str) -> Result<Value, Message> {
        let answer = self.call(method, &format!("/v2/sync/jobs/{}{action}", escaped(id))).await;
        answer.map_err(|message| match message {
            Message::Refused { code, .. } | Message::Forbidden { code, .. }
                if ["job_not_found", "not_your_job"].contains(&code.as_str()) =>
            {
                Message::NoSuchJob { id: id.to_owned() }
            }
            other => other,
        })
    }

    /// What was sent, as a job.
    pub fn read_job(&self, body: &Value) -> Result<Job, Message> {
        Job::deserialize(body).map_err(|_| self.odd("/v2/sync/jobs", "something else than a job"))
    }

    /// The whole id of the job whose id begins like this.
    pub async fn job_id(&self, given: &str) -> Result<String, Message> {
        let id = given.trim().to_ascii_lowercase();
        let is_id = id.len() >= SHORTEST_ID && id.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        if !is_id || id.len() > WHOLE_ID {
            return Err(Message::InvalidJobId { id: terminal::plain(given) });
        }
        if id.len() == WHOLE_ID {
            return Ok(id);
        }
        let found = self.jobs(&[], PAGE * MAX_PAGES).await?.jobs;
        let ids = found.iter().filter_map(|job| job["job_id"].as_str());
        let matching: Vec<&str> = ids.filter(|known| known.starts_with(&id)).collect();
        match matching.as_slice() {
            [] => Err(Message::NoSuchJob { id }),
            [one] => Ok((*one).to_owned()),
            several => Err(Message::SeveralJobs { count: several.len(), id }),
        }
    }

    pub fn odd(&self, path: &str, what: &str) -> Message {
        let path = path.split('?').next().unwrap_or_default().to_owned();
        Message::NotAfterword { server: self.server().to_owned(), path, what: what.to_owned() }
    }
}
