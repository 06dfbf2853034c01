//! A store, a clock and the steps of a scenario: accepting, claiming, transcribing, finishing. Lost answers are
//! repeated; any other unexpected answer ends the test.

use std::sync::Arc;
use std::time::Duration;

use domain::accept::Batch;
use domain::checkpoint::Checkpoint;
use domain::placement::{Answer, Group};
use domain::planning::{FilePlan, Heard};
use domain::session::SessionRequest;
use domain::{
    Command, Conversation, ConversationId, Job, JobId, Line, Recording, Refusal, Rules, Timestamp, Uid, Usage,
};
use flow::ports::{
    At, Clock, ConversationPage, ConversationQuery, Created, LineQuery, Opened, Page, Random, SessionCompleted,
    Stepped, Store, Withdrawn, Written,
};
use flow::{Kind, Result};
use futures_util::FutureExt;

use crate::build::{self, T0};
use crate::clock::TestClock;
use crate::random::SeededRandom;

/// A spoken segment: start and end in the recording in milliseconds, and the text.
pub type SpokenSegment<'a> = (u32, u32, &'a str);

/// More lost answers in a row than this are a mistake in the fault plan.
const MAX_TRIES: u32 = 64;

pub struct Harness {
    pub store: Arc<dyn Store>,
    pub clock: Arc<TestClock>,
    pub rules: Rules,
    random: SeededRandom,
}

impl Harness {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, clock: TestClock::at(T0), rules: Rules::default(), random: SeededRandom::new(1) }
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn at(&self) -> At<'_> {
        At { now: self.now(), rules: &self.rules }
    }

    pub fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// Repeats an operation whose answer was lost or that the store could not do now, as every caller does:
    /// transactions on the same documents may wait for each other too long.
    pub async fn ask<T, F>(&self, mut operation: impl FnMut() -> F) -> T
    where
        F: Future<Output = Result<T>>,
    {
        for _ in 0..MAX_TRIES {
            match operation().await {
                Err(error) if matches!(error.kind, Kind::Unknown | Kind::Unavailable) => {}
                answer => return answer.unwrap_or_else(|error| panic!("{error}")),
            }
        }
        panic!("{MAX_TRIES} answers in a row were lost or put off");
    }

    pub async fn create(&self, batch: &Batch) -> Created {
        self.ask(|| self.store.create_job(batch, self.at())).await
    }

    pub async fn withdraw(&self, batch: &Batch) -> Withdrawn {
        self.ask(|| self.store.withdraw_batch(batch, self.at())).await
    }

    pub async fn open(&self, request: &SessionRequest) -> Opened {
        self.ask(|| self.store.open_session(request, self.at())).await
    }

    /// The session of these recordings: a new one, or the one that is open already.
    pub async fn session(&self, uid: &Uid, names: &[String]) -> Job {
        match self.open(&build::session(uid, names)).await {
            Opened::Session { job, .. } => job,
            known => panic!("no session: {known:?}"),
        }
    }

    /// Completes a session whose files are all completely uploaded.
    pub async fn complete(&self, session: &Job) -> SessionCompleted {
        let whole = build::whole(session);
        match self.ask(|| self.store.complete_session(session.id, &whole, self.at())).await {
            SessionCompleted::Job { job, deduplicated } => {
                SessionCompleted::Job { job: self.settle(job).await, deduplicated }
            }
            other => other,
        }
    }

    /// The second step of a creation: a job that holds a provisional slot keeps it or gets in line.
    async fn settle(&self, job: Job) -> Job {
        if job.holds_provisional_slot() { self.done(job.id, Command::SettleSlot).await } else { job }
    }

    /// A new job of these recordings.
    pub async fn accept(&self, uid: &Uid, names: &[String]) -> Job {
        self.accept_batch(&build::batch(uid, names)).await
    }

    pub async fn accept_batch(&self, batch: &Batch) -> Job {
        match self.create(batch).await {
            Created::New { job, .. } => self.settle(job).await,
            answered => panic!("no new job: {answered:?}"),
        }
    }

    pub async fn step(&self, id: JobId, command: &Command) -> Stepped {
        self.ask(|| self.store.step(id, command, self.at())).await
    }

    /// The job after a command that must apply.
    pub async fn done(&self, id: JobId, command: Command) -> Job {
        match self.step(id, &command).await {
            Stepped::Done { job, .. } => job,
            other => panic!("{command:?}: {other:?}"),
        }
    }

    /// The reason why a command was refused; it must not apply.
    pub async fn refused(&self, id: JobId, command: Command) -> Refusal {
        match self.step(id, &command).await {
            Stepped::Refused { why, .. } => why,
            other => panic!("{command:?}: {other:?}"),
        }
    }

    pub async fn claim(&self, id: JobId) -> Job {
        self.done(id, Command::Claim { owner: self.random.nonce() }).await
    }

    pub async fn finish(&self, job: &Job) -> Job {
        self.done(job.id, Command::Finish { fence: job.lease.fence }).await
    }

    pub async fn try_plan(&self, job: &Job, index: usize, heard: Heard) -> Written<(Job, Recording)> {
        self.try_write_plan(job, &build::plan(job, index, heard)).await
    }

    async fn try_write_plan(&self, job: &Job, plan: &FilePlan) -> Written<(Job, Recording)> {
        self.ask(|| self.store.plan_file(job.id, plan, self.at())).await
    }

    /// Writes a plan that differs from what [`build::plan`] makes.
    pub async fn write_plan(&self, job: &Job, plan: &FilePlan) -> (Job, Recording) {
        written(self.try_write_plan(job, plan).await)
    }

    pub async fn plan(&self, job: &Job, index: usize, heard: Heard) -> (Job, Recording) {
        written(self.try_plan(job, index, heard).await)
    }

    /// Saves a checkpoint of a file, by the first version of the rules, with these bytes.
    pub async fn try_checkpoint(&self, job: &Job, index: usize, place: u32, bytes: &[u8]) -> Written<Job> {
        let checkpoint = Checkpoint { fence: job.lease.fence, index, rules: 1, place, bytes: bytes.to_vec() };
        self.ask(|| self.store.save_checkpoint(job.id, &checkpoint, self.at())).await
    }

    pub async fn checkpoint(&self, job: &Job, index: usize, place: u32, bytes: &[u8]) -> Job {
        written(self.try_checkpoint(job, index, place, bytes).await)
    }

    /// The bytes of a file's last checkpoint.
    pub async fn checkpointed(&self, job: &Job, index: usize) -> Option<Vec<u8>> {
        self.ask(|| self.store.checkpoint(job.id, index)).await
    }

    pub async fn try_store(&self, job: &Job, lines: &[Line]) -> Written<Vec<Line>> {
        let fence = job.lease.fence;
        self.ask(|| self.store.store_texts(job.id, fence, lines.to_vec(), self.at())).await
    }

    /// Stores texts of a planned file; returns the lines that now stand for these segments.
    pub async fn store(&self, job: &Job, index: usize, texts: &[(u32, &str)]) -> Vec<Line> {
        let recording = self.recording(job, index).await;
        let lines: Vec<_> = texts.iter().map(|(start, text)| build::line_for(&recording, *start, text)).collect();
        written(self.try_store(job, &lines).await)
    }

    pub async fn try_place(&self, job: &Job, index: usize, answers: &[(u32, Answer)]) -> Written<(Job, Recording)> {
        let group = Group { fence: job.lease.fence, index, answers: answers.to_vec() };
        self.ask(|| self.store.place(job.id, &group, self.at())).await
    }

    pub async fn place(&self, job: &Job, index: usize, answers: &[(u32, Answer)]) -> (Job, Recording) {
        written(self.try_place(job, index, answers).await)
    }

    /// Stores and places texts of a planned file.
    pub async fn say(&self, job: &Job, index: usize, texts: &[(u32, &str)]) -> (Job, Recording) {
        self.store(job, index, texts).await;
        let answers: Vec<_> = texts.iter().map(|(start, _)| (*start, Answer::Text)).collect();
        self.place(job, index, &answers).await
    }

    /// Plans a file and places all of it.
    pub async fn work(&self, job: &Job, index: usize, said: &[SpokenSegment<'_>]) -> (Job, Recording) {
        let spans: Vec<_> = said.iter().map(|(start, end, _)| (*start, *end)).collect();
        self.plan(job, index, build::speech(&spans)).await;
        let texts: Vec<_> = said.iter().map(|(start, _, text)| (*start, *text)).collect();
        self.say(job, index, &texts).await
    }

    /// The whole life of a job with one recording, from its acceptance to its end.
    pub async fn transcribe(&self, uid: &Uid, name: &str, said: &[SpokenSegment<'_>]) -> Job {
        self.transcribe_batch(&build::batch(uid, &[name]), &[said]).await
    }

    pub async fn transcribe_batch(&self, batch: &Batch, said: &[&[SpokenSegment<'_>]]) -> Job {
        let job = self.accept_batch(batch).await;
        let job = self.claim(job.id).await;
        for (index, said) in said.iter().enumerate() {
            self.work(&job, index, said).await;
        }
        self.finish(&job).await
    }

    pub async fn job(&self, id: JobId) -> Job {
        self.ask(|| self.store.job(id)).await.unwrap_or_else(|| panic!("there is no job {id}"))
    }

    pub async fn recording(&self, job: &Job, index: usize) -> Recording {
        let ids = [job.files[index].recording];
        let mut found = self.ask(|| self.store.recordings(&job.uid, &ids)).await;
        found.remove(0).unwrap_or_else(|| panic!("the recording {} is not known", ids[0]))
    }

    pub async fn conversations(&self, uid: &Uid) -> Vec<Conversation> {
        let query = ConversationQuery::all(uid, Page::first(1000));
        self.ask(|| self.store.conversations(&query)).await
    }

    pub async fn page(&self, uid: &Uid, id: ConversationId) -> Option<ConversationPage> {
        let query = LineQuery::of(uid, id, Page::first(1000));
        self.ask(|| self.store.conversation(&query)).await
    }

    /// Returns false when there is no such conversation.
    pub async fn delete(&self, uid: &Uid, id: ConversationId) -> bool {
        let now = self.now();
        self.ask(|| self.store.delete_conversation(uid, id, At { now, rules: &self.rules })).await
    }

    /// Removes the texts of a deleted conversation in pages of this size, and returns the number of lines.
    pub async fn forget(&self, uid: &Uid, id: ConversationId, page: usize) -> usize {
        let mut lines = 0;
        loop {
            let removed = self.ask(|| self.store.remove_texts(uid, id, page)).await;
            lines += removed.lines;
            if !removed.more {
                return lines;
            }
        }
    }

    /// The texts of each conversation, in order.
    pub async fn talk(&self, uid: &Uid) -> Vec<Vec<String>> {
        let mut talk = Vec::new();
        for conversation in self.conversations(uid).await {
            let page = self.page(uid, conversation.id).await;
            talk.push(page.map(|page| page.lines.iter().map(Line::text).collect()).unwrap_or_default());
        }
        talk
    }

    /// All usage that was ever counted for the user.
    pub async fn usage(&self, uid: &Uid) -> Usage {
        let (from, to) = (Timestamp::from_millis(0), T0 + Duration::from_secs(1 << 30));
        let buckets = self.ask(|| self.store.usage(uid, from, to, 1000)).await;
        let mut sum = Usage::default();
        buckets.into_iter().for_each(|bucket| sum += bucket.usage);
        sum
    }
}

/// The result of a worker's write, which must not be fenced.
pub fn written<T>(written: Written<T>) -> T {
    match written {
        Written::Done(done) => done,
        Written::Fenced(why) => panic!("the worker was stopped: {why}"),
    }
}

/// The result of a future over in-memory ports, which never wait.
pub fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("an in-memory port was not ready at once")
}
