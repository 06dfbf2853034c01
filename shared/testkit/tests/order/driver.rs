//! Plays a case on a store: many workers at once, in random order, with groups of random size, put-backs, lost workers,
//! repeated writes, failures and retries, until everything is done.

use domain::placement::{Answer, Group};
use domain::planning::{FilePlan, Heard};
use domain::{
    Code, Command, FileStatus, Job, JobId, Levels, Mark, Peaks, PutBack, Recording, Rules, Status, Timestamp,
};
use flow::Result;
use flow::ports::{At, Created, JobStore, Random, Stepped, Written};
use testkit::build::{T0, facts, line_for, plan};
use testkit::harness::at_once;
use testkit::{SeededRandom, memory};

use crate::case::Case;
use crate::incidents::Incidents;
use crate::reader::read;
use crate::reference::Outcome;

/// After this many moves nothing goes wrong any more, so that every run ends.
const TROUBLED_MOVES: u32 = 60;
/// A run with more moves than this hangs.
const MAX_MOVES: u32 = 20_000;

pub struct Driver<'a> {
    case: &'a Case,
    store: &'a memory::Store,
    random: &'a SeededRandom,
    rules: Rules,
    now: Timestamp,
    batches: Vec<usize>,
    workers: Vec<Worker>,
    moves: u32,
    met: Incidents,
}

/// A job, as the worker that claimed it last knows it.
struct Worker {
    id: JobId,
    held: Option<Job>,
    /// The file and the answers that are transcribed but not placed yet. Others may place them in the meantime.
    ready: Option<(usize, Vec<(u32, Answer)>)>,
}

pub fn done<T>(result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// What a reader sees when all jobs are finished, or why they never finished.
pub fn play(
    case: &Case,
    store: &memory::Store,
    random: &SeededRandom,
) -> std::result::Result<(Outcome, Incidents), String> {
    let mut batches: Vec<_> = (0..case.batches.len()).collect();
    random.shuffle(&mut batches);
    let (rules, workers) = (Rules::default(), Vec::new());
    let mut driver =
        Driver { case, store, random, rules, now: T0, batches, workers, moves: 0, met: Incidents::default() };
    while driver.go_on() {
        driver.moves += 1;
        if driver.moves > MAX_MOVES {
            return Err("the jobs never end".to_owned());
        }
    }
    Ok((read(case, store), driver.met))
}

impl Driver<'_> {
    fn at(&self) -> At<'_> {
        At { now: self.now, rules: &self.rules }
    }

    fn incidents(&self, n: usize) -> bool {
        self.moves < TROUBLED_MOVES && self.random.one_in(n)
    }

    fn go_on(&mut self) -> bool {
        if self.workers.is_empty() || (!self.batches.is_empty() && self.random.one_in(4)) {
            return self.accept();
        }
        let n = self.random.below(self.workers.len());
        if self.advance(n) {
            self.workers.swap_remove(n);
        }
        !self.workers.is_empty() || !self.batches.is_empty()
    }

    fn accept(&mut self) -> bool {
        let Some(n) = self.batches.pop() else { return false };
        let mut batch = self.case.batch(n, self.random.job_id());
        if self.random.one_in(2) {
            // Files are listened to while they are uploaded: silence is known before the job exists.
            for (file, take) in batch.files.iter_mut().zip(&self.case.batches[n]) {
                let heard = self.case.takes[*take].heard();
                file.silent = (heard == Heard::Silence).then(|| facts(&heard));
            }
        }
        if let Created::New { job, deduplicated: false } = done(at_once(self.store.create_job(&batch, self.at()))) {
            // A crash may come before the slot is settled; the sweep, or an unexpected delivery, goes on.
            if !self.incidents(3) {
                done(at_once(self.store.step(job.id, &Command::SettleSlot, self.at())));
            }
            self.workers.push(Worker { id: job.id, held: None, ready: None });
        }
        true
    }

    /// One move of one worker; true when its job is completed.
    fn advance(&mut self, n: usize) -> bool {
        let Some(held) = self.workers[n].held.clone() else { return self.claim(n) };
        if self.incidents(24) {
            // The worker is lost together with its unwritten answers. All leases run out meanwhile.
            self.now = self.now + self.rules.takeover_after();
            self.workers[n].ready = None;
            if self.random.one_in(2) {
                // The worker does not know that it lost the job, and goes on: the fence must stop it.
                self.step_behind_its_back(n);
            } else {
                self.workers[n].held = None;
            }
            self.met.lost += 1;
        } else if self.incidents(20) {
            self.put_back(n, &held);
        } else if let Some((index, answers)) = self.workers[n].ready.take() {
            self.place(n, &held, index, answers);
        } else if let Some(index) = self.open_file(&held) {
            self.work(n, &held, index);
        } else {
            let finished = self.step(n, Command::Finish { fence: held.lease.fence });
            return finished.is_some_and(|job| job.status == Status::Completed);
        }
        false
    }

    fn claim(&mut self, n: usize) -> bool {
        let id = self.workers[n].id;
        let job = done(at_once(self.store.job(id)));
        match job.map(|job| job.status) {
            None | Some(Status::Completed) => return true,
            Some(Status::Failed | Status::PartialFailure) => {
                self.step(n, Command::Retry { key: self.random.nonce() });
                self.met.retried += 1;
            }
            Some(Status::Processing) if self.random.one_in(2) => {
                self.met.recovered += u32::from(self.step(n, Command::Recover).is_some());
            }
            Some(_) => {
                let claimed = self.step(n, Command::Claim { owner: self.random.nonce() });
                self.workers[n].held = claimed.filter(|job| job.status == Status::Processing);
                if self.workers[n].held.is_none() {
                    self.now = self.now + self.rules.takeover_after();
                }
            }
        }
        false
    }

    fn step(&mut self, n: usize, command: Command) -> Option<Job> {
        let stepped = done(at_once(self.store.step(self.workers[n].id, &command, self.at())));
        if let Stepped::Done { job, .. } = stepped {
            // A command that ended or put back the job took it away from the worker.
            let stays = job.status == Status::Processing;
            if stays {
                self.workers[n].held = Some(job.clone())
            } else {
                self.workers[n].held = None
            }
            return Some(job);
        }
        self.workers[n].held = None;
        None
    }

    /// The sweep, or another delivery, takes the job; this worker still believes that it holds it.
    fn step_behind_its_back(&mut self, n: usize) {
        let command =
            if self.random.one_in(2) { Command::Recover } else { Command::Claim { owner: self.random.nonce() } };
        let _ = at_once(self.store.step(self.workers[n].id, &command, self.at()));
    }

    fn put_back(&mut self, n: usize, held: &Job) {
        self.met.put_back += 1;
        let cause = match self.random.below(4) {
            0 => PutBack::Shutdown,
            1 => PutBack::Deadline,
            2 => PutBack::YieldToOthers,
            _ => PutBack::Fault { code: Code::Internal, retry_after: None },
        };
        self.workers[n].ready = None;
        self.step(n, Command::PutBack { fence: held.lease.fence, cause, jitter: 0.5, explanation: None });
    }

    fn open_file(&self, held: &Job) -> Option<usize> {
        let open: Vec<_> = (0..held.files.len()).filter(|i| !held.files[*i].status.is_settled()).collect();
        (!open.is_empty()).then(|| *self.random.pick(&open))
    }

    fn work(&mut self, n: usize, held: &Job, index: usize) {
        let file = &held.files[index];
        let Some(take) = self.case.take(file.recording) else { return };
        if file.status == FileStatus::Queued {
            let heard = take.heard();
            let plan = FilePlan { peaks: Peaks::default(), levels: Levels::default(), ..plan(held, index, heard) };
            let written = done(at_once(self.store.plan_file(held.id, &plan, self.at())));
            self.hold(n, written);
        } else {
            self.transcribe(n, held, index);
        }
    }

    /// Transcribes some of the open segments of a file, in any order, for a later placement.
    fn transcribe(&mut self, n: usize, held: &Job, index: usize) {
        let file = &held.files[index];
        let Some(take) = self.case.take(file.recording) else { return };
        let mut known = done(at_once(self.store.recordings(&held.uid, &[file.recording])));
        let Some(recording) = known.pop().flatten() else { return };
        let mut open: Vec<_> = recording.plan.iter().flat_map(|plan| plan.segments()).copied().collect();
        open.retain(|s| !s.is_closed() && !file.failed.iter().any(|failed| failed.start_ms == s.start_ms));
        self.random.shuffle(&mut open);
        open.truncate(1 + self.random.below(4));
        let mut answers = Vec::new();
        let mut lines = Vec::new();
        for segment in open {
            let text = take.text(segment.start_ms);
            answers.push((
                segment.start_ms,
                match segment.mark {
                    _ if self.incidents(15) => {
                        self.met.failed_segments += 1;
                        Answer::Failed { refused: self.random.one_in(2) }
                    }
                    _ if !text.is_empty() => Answer::Text,
                    Mark::Open => Answer::EmptyOnce,
                    _ => Answer::Empty,
                },
            ));
            if !text.is_empty() {
                lines.push(line_for(&recording, segment.start_ms, text));
            }
        }
        match done(at_once(self.store.store_texts(held.id, held.lease.fence, lines, self.at()))) {
            Written::Done(_) => self.workers[n].ready = Some((index, answers)),
            Written::Fenced(_) => self.fenced(n),
        }
    }

    fn place(&mut self, n: usize, held: &Job, index: usize, answers: Vec<(u32, Answer)>) {
        self.met.overtaken += self.placed_since(held, index, &answers);
        let group = Group { fence: held.lease.fence, index, answers };
        if self.incidents(10) {
            // The answer is lost; the repeated call must recognise its own effect.
            let _ = at_once(self.store.place(held.id, &group, self.at()));
            self.met.repeated += 1;
        }
        let written = done(at_once(self.store.place(held.id, &group, self.at())));
        self.hold(n, written);
    }

    fn hold(&mut self, n: usize, written: Written<(Job, Recording)>) {
        match written {
            Written::Done((job, _)) => self.workers[n].held = Some(job),
            Written::Fenced(_) => self.fenced(n),
        }
    }

    fn fenced(&mut self, n: usize) {
        self.met.fenced += 1;
        self.workers[n].held = None;
    }

    fn placed_since(&self, held: &Job, index: usize, answers: &[(u32, Answer)]) -> u32 {
        let known = done(at_once(self.store.recordings(&held.uid, &[held.files[index].recording])));
        let plan = known.into_iter().flatten().find_map(|recording| recording.plan);
        let closed = |start: u32| plan.as_ref().and_then(|plan| plan.find(start)).is_some_and(|s| s.is_closed());
        answers.iter().filter(|(start, _)| closed(*start)).count() as u32
    }
}
