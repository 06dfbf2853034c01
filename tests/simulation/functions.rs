//! The backend of a simulation: one process after another, each killed at some moment, over what outlives them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use domain::{Blame, FileStatus, Uid};
use simulator::{Answered, Arrived, BEGIN_MS, Backend, Found, Seeded, frames_of};

use crate::instance::Instance;
use crate::kept::Kept;

pub struct Functions {
    kept: Arc<Kept>,
    random: Seeded,
    now: Duration,
    instance: Option<Instance>,
    /// When the next process starts, or when this one is killed.
    changes_at: Duration,
    /// Requests without an answer.
    waiting: BTreeSet<u64>,
    answered: Vec<Answered>,
    is_faulty: bool,
    /// Staged files that were looked at.
    seen: BTreeSet<String>,
    violations: Vec<String>,
}

impl Functions {
    pub fn new(random: Seeded) -> Self {
        Self {
            kept: Arc::new(Kept::new(random.fork())),
            random,
            now: Duration::ZERO,
            instance: None,
            changes_at: Duration::ZERO,
            waiting: BTreeSet::new(),
            answered: Vec::new(),
            is_faulty: true,
            seen: BTreeSet::new(),
            violations: Vec::new(),
        }
    }

    fn start(&mut self) {
        note(self.now, || "the backend starts".to_owned());
        self.instance = Some(Instance::start(&self.kept, self.now));
        self.changes_at = Duration::MAX;
        self.plan_kill();
    }

    /// A kill comes some time after a request, so that many come while something is being done.
    fn plan_kill(&mut self) {
        if self.is_faulty && self.instance.is_some() && self.random.permille(60) {
            let soon = self.random.pick(&[20, 200, 2_000, 20_000]);
            let at = self.now + Duration::from_millis(self.random.below(soon));
            self.changes_at = self.changes_at.min(at);
        }
    }

    /// A device sends whole frames only.
    fn look_at_staged(&mut self) {
        for name in self.kept.blobs.names() {
            if self.seen.contains(name.as_str()) {
                continue;
            }
            let Some(bytes) = self.kept.blobs.bytes(&name) else { continue };
            if frames_of(&bytes).is_none() {
                self.violations.push(format!("{name} ends within a frame"));
            }
            self.seen.insert(name.as_str().to_owned());
        }
    }

    fn kill(&mut self) {
        note(self.now, || "the backend is killed".to_owned());
        if let Some(instance) = self.instance.take() {
            instance.kill();
        }
        let at = self.now;
        let cut = std::mem::take(&mut self.waiting).into_iter();
        self.answered.extend(cut.map(|number| Answered { number, at, answer: None }));
        let down = self.random.pick(&[0, 3, 30, 600]);
        self.changes_at = self.now + Duration::from_secs(down);
    }
}

/// What a person sees who repeats a seed.
fn note(at: Duration, what: impl FnOnce() -> String) {
    if std::env::var_os("SIMULATION_LOG").is_some() {
        eprintln!("{:>12.3} {}", at.as_secs_f64(), what());
    }
}

impl Backend for Functions {
    fn arrive(&mut self, Arrived { number, request }: Arrived, at: Duration) {
        self.now = self.now.max(at);
        if request.cut.is_none() {
            self.waiting.insert(number);
        } else {
            self.answered.push(Answered { number, at, answer: None });
        }
        note(at, || format!("request {number} {} {} cut {:?}", request.method.as_str(), request.path, request.cut));
        self.kept.requested.notify_one();
        match &self.instance {
            Some(instance) => instance.take(number, request),
            None => {
                self.waiting.remove(&number);
                self.answered.push(Answered { number, at, answer: None });
            }
        }
        self.plan_kill();
    }

    fn work_until(&mut self, until: Duration) -> Vec<Answered> {
        loop {
            if !self.answered.is_empty() {
                return std::mem::take(&mut self.answered);
            }
            if self.changes_at <= self.now {
                match self.instance {
                    Some(_) => self.kill(),
                    None => self.start(),
                }
                continue;
            }
            if self.now >= until {
                return Vec::new();
            }
            let stop = until.min(self.changes_at);
            let given = self.instance.as_mut().map(|instance| instance.work_until(stop)).unwrap_or_default();
            self.now = given.first().map_or(stop, |(_, at, _)| (*at).clamp(self.now, stop));
            if !given.is_empty() {
                self.look_at_staged();
            }
            for (number, _, answer) in given {
                note(self.now, || {
                    format!("answer {number} {} {}", answer.status, String::from_utf8_lossy(&answer.body))
                });
                if self.waiting.remove(&number) {
                    self.answered.push(Answered { number, at: self.now, answer: Some(answer) });
                }
            }
        }
    }

    fn calm(&mut self) {
        self.is_faulty = false;
        self.kept.is_faulty.store(false, Ordering::Relaxed);
        self.kept.reached.plan().calm();
        if self.instance.is_some() {
            self.changes_at = Duration::MAX;
        }
    }

    fn has_accepted(&mut self, account: &str, name: &str) -> bool {
        let uid = Uid::new(account).unwrap();
        let jobs = self.kept.store.all_jobs();
        jobs.iter().any(|job| job.uid == uid && job.files.iter().any(|file| file.name == *name))
    }

    fn allows_deletion_since(&mut self, account: &str, name: &str) -> Option<Duration> {
        let uid = Uid::new(account).unwrap();
        let jobs = self.kept.store.all_jobs();
        let over = jobs.iter().filter(|job| job.uid == uid && job.status.is_terminal());
        let allows = over.filter(|job| {
            let mut own = job.files.iter().filter(|file| file.name == *name);
            own.any(|file| matches!(file.status, FileStatus::Done | FileStatus::Silent) && file.failure.is_none())
        });
        let ended = allows.filter_map(|job| job.completed_at).min()?;
        Some(Duration::from_millis((ended.millis() - BEGIN_MS) as u64))
    }

    fn content_failures(&mut self, account: &str, name: &str) -> u32 {
        let uid = Uid::new(account).unwrap();
        let jobs = self.kept.store.all_jobs();
        // A retry of the job may blame the same content again.
        let blamed = jobs.iter().filter(|job| job.uid == uid).flat_map(|job| &job.files);
        let mut own = blamed.filter(|file| file.name == *name).filter_map(|file| file.failure.as_ref());
        if own.any(|failure| failure.blame == Blame::Content) { u32::MAX } else { 0 }
    }

    fn found(&mut self) -> Vec<Found> {
        let mut all = Vec::new();
        for account in ["anna", "ben"] {
            let uid = Uid::new(account).unwrap();
            let lines = self.kept.store.all_lines(&uid);
            let jobs: Vec<_> = self.kept.store.all_jobs().into_iter().filter(|job| job.uid == uid).collect();
            for line in lines.iter().filter(|line| line.found_by().is_some()) {
                // What the device named when it sent the recording first.
                let of = jobs.iter().filter(|job| job.files.iter().any(|file| file.recording == line.recording));
                let first = of.min_by_key(|job| job.created_at);
                let conversation = first.and_then(|job| job.conversation_id).map(|id| id.to_string());
                for word in line.text().split_whitespace() {
                    let frame = word.trim_start_matches('f').parse().unwrap_or(u64::MAX);
                    let place = format!("{} at {} ms", line.recording, line.start_ms);
                    let (owner, conversation) = (account.to_owned(), conversation.clone());
                    all.push(Found { frame, owner, place, conversation });
                }
            }
        }
        all
    }

    fn violations(&mut self) -> Vec<String> {
        std::mem::take(&mut self.violations)
    }
}
