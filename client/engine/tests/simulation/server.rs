//! A small backend in memory that keeps the contract of `docs/API.md`.

mod jobs;
mod upload;

use std::collections::BTreeMap;
use std::time::Duration;

use engine::domain::Timestamp;
use engine::ports::{Answer, Method, Random};
use serde_json::{Value, json};
use simulator::{Answered, Arrived, BEGIN_MS, Backend, Found, Incoming, Seeded, fault, frames_of};

pub use jobs::{Fate, Job};

/// A recording: an account, a name, and the digest of the content.
pub type Identity = (String, String, String);

pub struct Recording {
    pub content: Vec<u8>,
    pub conversation: Option<String>,
    /// What processing it leads to; fixed once it is known.
    pub fate: Fate,
    /// It failed so many times.
    pub failures: u32,
    pub is_finished: bool,
}

/// A file of an upload session.
pub struct SessionFile {
    pub name: String,
    pub size: usize,
    pub sha256: String,
    pub data: Vec<u8>,
}

pub struct Session {
    pub account: String,
    pub files: Vec<SessionFile>,
    pub conversation: Option<String>,
    /// The job that it became.
    pub job: Option<String>,
}

pub struct Server {
    pub random: Seeded,
    /// Refuses, fails and forgets now and then.
    pub is_faulty: bool,
    pub recordings: BTreeMap<Identity, Recording>,
    pub jobs: BTreeMap<String, Job>,
    pub sessions: BTreeMap<String, Session>,
    /// Failures of blame `content` that were told, by account and name.
    pub content_failures: BTreeMap<(String, String), u32>,
    /// Answers that the network has not taken yet.
    answered: Vec<Answered>,
    pub violations: Vec<String>,
    pub now: Duration,
    pub devices: BTreeMap<String, String>,
    /// Files of which a finished job told that they may be deleted, by account and name.
    pub told_done: BTreeMap<(String, String), Duration>,
}

impl Server {
    pub fn new(random: Seeded) -> Self {
        Self {
            random,
            is_faulty: true,
            recordings: BTreeMap::new(),
            jobs: BTreeMap::new(),
            sessions: BTreeMap::new(),
            content_failures: BTreeMap::new(),
            answered: Vec::new(),
            violations: Vec::new(),
            now: Duration::ZERO,
            devices: BTreeMap::new(),
            told_done: BTreeMap::new(),
        }
    }

    pub fn wall(&self) -> Timestamp {
        Timestamp::from_millis(BEGIN_MS + self.now.as_millis() as i64)
    }

    fn uuid(&self) -> String {
        let (a, b) = (self.random.next(), self.random.next());
        let (d, e) = (a >> 32, b & 0xFFFF_FFFF_FFFF);
        format!("{d:08x}-{:04x}-4{:03x}-8{:03x}-{e:012x}", a & 0xFFFF, (a >> 16) & 0xFFF, b >> 52)
    }

    fn chance(&self, permille: u64) -> bool {
        self.is_faulty && self.random.permille(permille)
    }

    /// Handles a request at this time.
    pub fn handle(&mut self, request: &Incoming, now: Duration) -> Answer {
        self.now = now;
        if request.path.starts_with("/bytes/") {
            return self.put_bytes(request);
        }
        let Some(account) = request.account.clone() else { return problem(401, "unauthenticated", &[]) };
        if self.chance(15) {
            return fault(&self.random);
        }
        let path = request.path.split('?').next().unwrap_or_default().to_owned();
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (request.method, &parts[..]) {
            (Method::Get, ["v2", "limits"]) => self.limits(),
            (Method::Post, ["v2", "sync", "upload"]) => self.upload(&account, request),
            (Method::Post, ["v2", "sync", "uploads"]) => self.open(&account, request),
            (Method::Post, ["v2", "sync", "uploads", id, "complete"]) => self.complete(&account, id),
            (Method::Get, ["v2", "sync", "jobs", id]) => self.status(&account, id),
            (Method::Post, ["v2", "sync", "jobs", id, "retry"]) => self.retry(&account, id),
            (Method::Put, ["v2", "devices", id]) => {
                self.devices.insert((*id).to_owned(), account);
                empty(204)
            }
            (Method::Delete, ["v2", "devices", id]) => {
                if self.devices.get(*id) == Some(&account) {
                    self.devices.remove(*id);
                }
                empty(204)
            }
            _ => problem(404, "not_found", &[]),
        }
    }

    fn limits(&self) -> Answer {
        ok(
            200,
            json!({
                "stage": "none", "restricted_until": null, "windows": [], "daily_budget": null,
                "upload": {"max_file_bytes": 209_715_200, "max_batch_bytes": 268_435_456, "max_files": 20,
                    "resumable_max_file_bytes": 2_147_483_648_u64},
            }),
        )
    }

    /// Refuses an upload for a while, now and then.
    fn refuse(&mut self) -> Option<Answer> {
        if !self.chance(40) {
            return None;
        }
        let (status, code, reason) = self.random.pick(&[
            (429, "fair_use_restricted", "fair_use"),
            (429, "rate_limited", "rate_limit"),
            (503, "backend_busy", "backend_busy"),
        ]);
        let wait = self.random.between(60, 590);
        Some(problem(status, code, &[("retry-after", &wait.to_string()), ("x-rate-limit-reason", reason)]))
    }
}

impl Backend for Server {
    fn arrive(&mut self, Arrived { number, mut request }: Arrived, at: Duration) {
        let answer = match request.cut {
            // Of a file's bytes the beginning counts, and nothing of anything else.
            Some(cut) if request.path.starts_with("/bytes/") => {
                request.body.truncate(cut);
                Some(self.handle(&request, at))
            }
            Some(_) => None,
            None => Some(self.handle(&request, at)),
        };
        self.answered.push(Answered { number, at, answer });
    }

    fn work_until(&mut self, _: Duration) -> Vec<Answered> {
        std::mem::take(&mut self.answered)
    }

    fn calm(&mut self) {
        self.is_faulty = false;
    }

    fn has_accepted(&mut self, account: &str, name: &str) -> bool {
        self.recordings.keys().any(|id| id.0 == account && id.1 == name)
    }

    fn allows_deletion_since(&mut self, account: &str, name: &str) -> Option<Duration> {
        self.told_done.get(&(account.to_owned(), name.to_owned())).copied()
    }

    fn content_failures(&mut self, account: &str, name: &str) -> u32 {
        self.content_failures.get(&(account.to_owned(), name.to_owned())).copied().unwrap_or(0)
    }

    fn found(&mut self) -> Vec<Found> {
        let mut all = Vec::new();
        for ((owner, name, _), recording) in &self.recordings {
            for frame in frames_of(&recording.content).unwrap_or_default() {
                let Some(number) = frame.get(..8).map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap())) else {
                    self.violations.push(format!("{name} holds a frame that nobody recorded"));
                    continue;
                };
                let (owner, place, conversation) = (owner.clone(), name.clone(), recording.conversation.clone());
                all.push(Found { frame: number, owner, place, conversation });
            }
        }
        all
    }

    fn violations(&mut self) -> Vec<String> {
        std::mem::take(&mut self.violations)
    }
}

pub fn empty(status: u16) -> Answer {
    Answer { status, ..Answer::default() }
}

pub fn ok(status: u16, body: Value) -> Answer {
    Answer { status, headers: Vec::new(), body: body.to_string().into_bytes() }
}

pub fn problem(status: u16, code: &str, headers: &[(&str, &str)]) -> Answer {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Answer { status, headers, body: json!({"code": code, "detail": "no"}).to_string().into_bytes() }
}
