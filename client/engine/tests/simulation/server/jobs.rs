//! Jobs, and what becomes of their files.

use std::time::Duration;

use engine::domain::Timestamp;
use engine::ports::Answer;
use serde_json::{Value, json};
use simulator::BEGIN_MS;

use super::{Identity, Server, ok, problem};

/// What processing a recording leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Done,
    Silent,
    /// The service fails so many times, then it is done.
    ServiceFails(u32),
    /// The engine refuses the content once, then takes it.
    Refused,
    PartlyDecoded,
    InvalidAudio,
    Unsupported,
}

/// A code, whom it blames, and whether a retry may help.
type Failure = (&'static str, &'static str, bool);

#[derive(Clone, Debug)]
pub struct JobFile {
    pub id: Identity,
    /// Its status and failure, once the job is over.
    pub end: Option<(&'static str, Option<Failure>)>,
}

impl JobFile {
    /// Whether a client may delete the file once its job is over.
    pub fn allows_deletion(&self) -> bool {
        matches!(self.end, Some(("done" | "silent", None)))
    }
}

#[derive(Clone, Debug)]
pub struct Job {
    pub account: String,
    pub files: Vec<JobFile>,
    pub begins: Duration,
    pub ends: Duration,
    /// Its files have their outcome.
    pub is_settled: bool,
    pub is_forgotten: bool,
    pub is_cancelled: bool,
}

impl Job {
    pub fn is_terminal(&self, now: Duration) -> bool {
        now >= self.ends
    }

    /// Whether it is over, and every file of it is done or silent.
    pub fn has_done_all(&self) -> bool {
        self.is_settled && self.files.iter().all(|file| matches!(file.end, Some(("done" | "silent", _))))
    }
}

impl Server {
    pub fn choose_fate(&self) -> Fate {
        if !self.is_faulty {
            return Fate::Done;
        }
        match self.random.below(100) {
            0..70 => Fate::Done,
            70..80 => Fate::Silent,
            80..88 => Fate::ServiceFails(self.random.between(1, 5) as u32),
            88..92 => Fate::Refused,
            92..95 => Fate::PartlyDecoded,
            95..97 => Fate::InvalidAudio,
            97..98 => Fate::Unsupported,
            _ => Fate::Done,
        }
    }

    pub fn new_job(&mut self, account: &str, files: Vec<Identity>, is_over: bool) -> String {
        let id = self.uuid();
        let works = if is_over { 0 } else { self.random.between(2, 300) };
        let files = files.into_iter().map(|id| JobFile { id, end: None }).collect();
        let job = Job {
            account: account.to_owned(),
            files,
            begins: self.now,
            ends: self.now + Duration::from_secs(works),
            is_settled: false,
            is_forgotten: false,
            is_cancelled: false,
        };
        self.jobs.insert(id.clone(), job);
        id
    }

    /// Gives every file of a job that is over its outcome.
    fn settle(&mut self, id: &str) {
        let now = self.now;
        let is_cancelled = self.chance(5);
        let Some(job) = self.jobs.get_mut(id).filter(|job| !job.is_settled && job.is_terminal(now)) else { return };
        (job.is_settled, job.is_cancelled) = (true, is_cancelled);
        for file in &mut job.files {
            let Some(recording) = self.recordings.get_mut(&file.id) else { continue };
            let done = |code: Option<&'static str>| ("done", code.map(|code| (code, "content", false)));
            let end = match recording.fate {
                Fate::PartlyDecoded => done(Some("partly_decoded")),
                Fate::Silent => ("silent", None),
                _ if recording.is_finished => done(None),
                _ if is_cancelled => ("queued", None),
                Fate::ServiceFails(times) if recording.failures < times => {
                    recording.failures += 1;
                    ("failed", Some(("transcription_failed", "service", true)))
                }
                Fate::Refused if recording.failures == 0 => {
                    recording.failures += 1;
                    let key = (file.id.0.clone(), file.id.1.clone());
                    *self.content_failures.entry(key).or_default() += 1;
                    ("failed", Some(("transcription_refused", "content", false)))
                }
                Fate::InvalidAudio => ("failed", Some(("invalid_audio", "content", false))),
                Fate::Unsupported => ("failed", Some(("language_unsupported", "limit", false))),
                _ => done(None),
            };
            recording.is_finished |= matches!(end.0, "done" | "silent");
            file.end = Some(end);
        }
    }

    pub fn status(&mut self, account: &str, id: &str) -> Answer {
        if self.chance(10) {
            return problem(429, "rate_limited", &[("retry-after", "30")]);
        }
        self.settle(id);
        let forgets = self.chance(8);
        if let Some(job) = self.jobs.get_mut(id).filter(|job| forgets && job.is_settled) {
            job.is_forgotten = true;
        }
        let now = self.now;
        match self.jobs.get(id).filter(|job| !job.is_forgotten) {
            None => problem(404, "job_not_found", &[]),
            Some(job) if job.account != account => {
                self.violations.push(format!("{account} asked for a job of {}", job.account));
                problem(403, "not_your_job", &[])
            }
            Some(job) => {
                for file in job.files.iter().filter(|file| job.is_settled && file.allows_deletion()) {
                    self.told_done.entry((file.id.0.clone(), file.id.1.clone())).or_insert(now);
                }
                ok(200, view(id, job, now))
            }
        }
    }

    pub fn retry(&mut self, account: &str, id: &str) -> Answer {
        let (is_refused, works) = (self.chance(200), self.random.between(2, 100));
        let now = self.now;
        let job = self.jobs.get_mut(id).filter(|job| job.account == account && !job.is_forgotten);
        let Some(job) = job else { return problem(404, "job_not_found", &[]) };
        if job.is_settled && job.files.iter().all(JobFile::allows_deletion) || is_refused {
            return problem(409, "not_retryable", &[]);
        }
        if job.is_settled {
            (job.is_settled, job.ends) = (false, now + Duration::from_secs(works));
            job.files.iter_mut().filter(|file| !file.allows_deletion()).for_each(|file| file.end = None);
        }
        ok(202, view(id, job, now))
    }
}

fn view(id: &str, job: &Job, now: Duration) -> Value {
    let files: Vec<_> = job.files.iter().map(|file| file_view(file, job.is_settled)).collect();
    let good = job.files.iter().filter(|file| file.allows_deletion()).count();
    let status = match (job.is_settled, job.is_cancelled) {
        (false, _) => "processing",
        (true, true) => "cancelled",
        (true, false) if good == job.files.len() => "completed",
        (true, false) if good == 0 => "failed",
        (true, false) => "partial_failure",
    };
    let ended = Timestamp::from_millis(BEGIN_MS + job.ends.as_millis() as i64);
    let done = now.saturating_sub(job.begins).as_secs() / 10;
    json!({
        "job_id": id, "status": status, "completed_at": job.is_settled.then_some(ended), "files": files,
        "processed_segments": done, "total_segments": done + 1, "poll_after_ms": 3000,
        "result": {"new_conversation_ids": [], "updated_conversation_ids": []}, "error": null,
    })
}

fn file_view(file: &JobFile, is_settled: bool) -> Value {
    let name = &file.id.1;
    match file.end.filter(|_| is_settled) {
        None => json!({"name": name, "status": "processing", "code": null}),
        Some((status, None)) => json!({"name": name, "status": status, "code": null, "blame": null}),
        Some((status, Some((code, blame, retryable)))) => {
            json!({"name": name, "status": status, "code": code, "blame": blame, "retryable": retryable, "detail": "why"})
        }
    }
}
