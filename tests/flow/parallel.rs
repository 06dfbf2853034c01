//! Files of one job, and jobs of one instance, that are processed concurrently: within the limits of the permits, and
//! with the same results as sequentially.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use domain::{FileStatus, Job, Status, Usage};
use flow::Services;
use flow::ports::{ConversationPage, TaskBody};
use flow::process::{Outcome, Skip, Worker};
use flow::settings::WorkerLimits;
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use speech::RetryClass;
use testkit::build::T0;
use testkit::fault_injection::{FailsBefore, Plan};
use testkit::snapshot::Snapshot;
use tests::{Recording, eventually};
use tokio::sync::{Barrier, Semaphore};

use crate::harness::{Stage, ann, soon};
use crate::script::{Gate, Reply, Script, is_the_clip, number};

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn limits(parallelism: usize) -> WorkerLimits {
    WorkerLimits { parallelism, ..WorkerLimits::default() }
}

/// Recordings captured the day before the test begins, a minute apart: one conversation.
pub(crate) fn recordings(from: i64, count: i64) -> Vec<Recording> {
    let began = T0.millis() / 1000 - 86_400;
    (from..from + count).map(|n| Recording::short(began + 60 * n)).collect()
}

/// Speech with pauses too long to be one segment.
fn with_pauses(at: i64, stretches: &[Recording]) -> Recording {
    let silence = Recording::silence(at).bytes;
    let pause = [&silence[..]; 4].concat();
    let bytes: Vec<u8> = stretches.iter().flat_map(|stretch| [&stretch.bytes[..], &pause].concat()).collect();
    Recording::new(Recording::short(at).name, Bytes::from(bytes))
}

fn talk(at: i64, stretches: i64) -> Recording {
    with_pauses(at, &(0..stretches).map(|n| Recording::short(at + n)).collect::<Vec<_>>())
}

pub(crate) fn run<'a>(worker: &'a Worker, task: &'a TaskBody) -> BoxFuture<'a, Outcome> {
    async move { soon(Box::pin(worker.run(task))).await.unwrap() }.boxed()
}

pub(crate) async fn usage(stage: &Stage) -> Usage {
    let mut usage = Usage::default();
    Snapshot::take(&*stage.store, &ann()).await.unwrap().usage.iter().for_each(|bucket| usage += bucket.usage);
    usage
}

pub(crate) fn states(job: &Job) -> Vec<FileStatus> {
    job.files.iter().map(|file| file.status).collect()
}

/// Runs a worker until the condition holds, and then stops polling it.
pub(crate) async fn until(worker: &mut (impl Future + Unpin), what: &str, mut holds: impl AsyncFnMut() -> bool) {
    tokio::select! {
        _ = worker => panic!("the worker ended before: {what}"),
        () = eventually(what, PATIENCE, async || holds().await.then_some(())) => {}
    }
}

/// Runs a worker while the clock advances through its pauses.
pub async fn while_time_passes<T>(stage: &Stage, worker: impl Future<Output = T>) -> T {
    let ticking = eventually("the worker ends", PATIENCE, async || {
        stage.clock.advance(Duration::from_millis(100));
        None::<T>
    });
    tokio::select! {
        ended = worker => ended,
        never = ticking => never,
    }
}

#[tokio::test]
async fn two_files_of_a_job_are_transcribed_concurrently() {
    let stage = Stage::new().with(limits(2));
    let task = stage.accept_all(&recordings(0, 2), None).await;
    // The engine answers only when both files are there: one after the other they would wait for ever.
    let engine = Arc::new(Script::new(|_| Reply::Text).gated(Gate::Together(Barrier::new(2))));
    let (worker, _) = stage.worker_with(&engine);
    assert_eq!(run(&worker, &task).await, Outcome::Done(Status::Completed));
    assert_eq!((engine.calls(), usage(&stage).await.segments), (2, 2));
}

#[tokio::test]
async fn next_file_is_in_its_first_pass_while_the_engine_transcribes_the_one_before() {
    let stage = Stage::new().with(limits(1));
    let task = stage.accept_all(&recordings(0, 3), None).await;
    let engine = Arc::new(Script::new(|_| Reply::Text).gated(Gate::Shut));
    let (worker, _) = stage.worker_with(&engine);
    let mut running = run(&worker, &task);
    let planned = async || {
        let job = stage.job(task.job_id).await;
        engine.calls() == 1 && job.files.iter().filter(|file| file.counts.segments > 0).count() == 2
    };
    until(&mut running, "the second file is planned while the first is transcribed", planned).await;
    // The third file has no permit yet: there is one for the job and one additional one.
    assert_eq!(stage.job(task.job_id).await.files[2].status, FileStatus::Queued);
    assert_eq!((engine.calls(), engine.inside()), (1, 1), "one permit, one call");
}

#[tokio::test]
async fn engine_calls_of_all_jobs_never_exceed_the_limit() {
    for bound in [1, 2, 4] {
        let stage = Stage::new().with(limits(bound));
        let mut tasks = Vec::new();
        for job in 0..4 {
            let began = T0.millis() / 1000 - 86_400 + 1000 * job;
            tasks.push(stage.accept_all(&[talk(began, 3), talk(began + 300, 3)], None).await);
        }
        // The engine answers only when all permits are taken.
        let engine = Arc::new(Script::new(|_| Reply::Text).gated(Gate::Together(Barrier::new(bound))));
        let (worker, _) = stage.worker_with(&engine);
        let ended = join_all(tasks.iter().map(|task| run(&worker, task))).await;
        assert_eq!(ended, vec![Outcome::Done(Status::Completed); 4]);
        assert_eq!((engine.max_concurrent.load(Ordering::Relaxed), engine.calls()), (bound, 24));
        assert_eq!(usage(&stage).await.segments, 24);
    }
}

#[tokio::test]
async fn conversations_and_usage_do_not_depend_on_the_order_of_answers() {
    let began = T0.millis() / 1000 - 86_400;
    let files: Vec<_> = (0..5).map(|n| talk(began + 100 * n, 3)).collect();
    // A conversation's id depends on which of its segments came first; nothing else does.
    let comparable = |seen: &Snapshot| -> Vec<_> {
        let of = |page: &ConversationPage| {
            let lines = page.lines.iter().map(|line| (line.recording, line.starts_at, line.ends_at, line.text()));
            (page.conversation.timed, page.conversation.opening.clone(), lines.collect::<Vec<_>>())
        };
        seen.conversations.iter().map(of).collect()
    };
    let mut seen: Option<Snapshot> = None;
    for (by, parallelism) in [(0, 1), (1, 2), (2, 3), (3, 8), (4, 8), (5, 8)] {
        let stage = Stage::new().with(limits(parallelism));
        let task = stage.accept_all(&files, None).await;
        let engine = Arc::new(Script::new(|_| Reply::Text).gated(Gate::Shuffled(by)));
        let (worker, _) = stage.worker_with(&engine);
        assert_eq!(run(&worker, &task).await, Outcome::Done(Status::Completed));
        let now = Snapshot::take(&*stage.store, &ann()).await.unwrap();
        let first = seen.get_or_insert_with(|| now.clone());
        assert_eq!((comparable(&now), &now.usage), (comparable(first), &first.usage), "run {by}");
    }
}

#[tokio::test]
async fn failing_file_does_not_stop_the_others() {
    // The segment of the first file fails while the others, which are sent at the same time, succeed.
    let stage = Stage::new().with(limits(4));
    let files = recordings(0, 3);
    let task = stage.accept_all(&files, None).await;
    let ill = Arc::new(std::sync::Mutex::new(None));
    let its_audio = Arc::clone(&ill);
    let engine = Arc::new(Script::new(move |audio| {
        let first = *its_audio.lock().unwrap().get_or_insert(number(audio));
        if first == number(audio) { Reply::Fails(RetryClass::Transient) } else { Reply::Text }
    }));
    let (worker, _) = stage.worker_with(&engine);
    let mut running = run(&worker, &task);
    until(&mut running, "the pause before the second try", async || {
        engine.calls() == 3 && stage.job(task.job_id).await.files.iter().filter(|f| f.status.is_settled()).count() == 2
    })
    .await;
    stage.clock.advance(Duration::from_secs(1));
    assert!(matches!(running.await, Outcome::Rescheduled { .. }));
    let job = stage.job(task.job_id).await;
    assert_eq!(
        (job.status, job.attempt, job.waiting_for),
        (Status::Queued, 0, None),
        "there was progress, so no attempt is counted"
    );
    assert_eq!(usage(&stage).await.segments, 2);

    let (worker, _) = stage.worker_with(&Arc::new(Script::new(|_| Reply::Text)));
    assert_eq!(run(&worker, &task).await, Outcome::Done(Status::Completed));
    assert_eq!(usage(&stage).await.segments, 3);
}

#[tokio::test]
async fn temporarily_unreadable_file_does_not_stop_the_others() {
    let mut stage = Stage::new().with(limits(1));
    let task = stage.accept_all(&recordings(0, 3), None).await;
    // The three reads that fail are the attempts for the first file, with pauses between them.
    let blobs = Arc::new(FailsBefore::planned(stage.blobs.clone(), Plan::never()));
    blobs.plan().fail_call("blobs.read", 3);
    stage.services = Services { blobs, ..stage.services };
    let engine = Arc::new(Script::new(|_| Reply::Text));
    let (worker, _) = stage.worker_with(&engine);
    assert!(matches!(while_time_passes(&stage, run(&worker, &task)).await, Outcome::Rescheduled { .. }));
    let job = stage.job(task.job_id).await;
    let settled = job.files.iter().filter(|file| file.status == FileStatus::Done).count();
    assert_eq!((job.status, settled), (Status::Queued, 2), "{:?}", states(&job));
    stage.clock.set(job.due_at.unwrap());
    assert_eq!(run(&worker, &task).await, Outcome::Done(Status::Completed));
    assert_eq!((engine.calls(), usage(&stage).await.segments), (3, 3));
}

/// A worker with two files in progress, each with one placed segment and one that is being transcribed.
struct InFlight {
    stage: Stage,
    task: TaskBody,
    engine: Arc<Script>,
}

impl InFlight {
    async fn new() -> Self {
        let stage = Stage::new().with(limits(2));
        let began = T0.millis() / 1000 - 86_400;
        let files = [began, began + 100].map(|at| with_pauses(at, &[Recording::short(at), Recording::speech(at)]));
        let task = stage.accept_all(&files, None).await;
        Self { stage, task, engine: Arc::new(Script::new(|_| Reply::Text).gated(Gate::Long(Semaphore::new(0)))) }
    }

    async fn stand(&self, running: &mut (impl Future + Unpin)) {
        until(running, "two calls are in progress", async || {
            let job = self.stage.job(self.task.job_id).await;
            self.engine.inside() == 2 && job.files.iter().all(|file| file.counts.placed == 1)
        })
        .await;
    }

    async fn finish(&self) {
        let engine = Arc::new(Script::new(|_| Reply::Text));
        let (worker, _) = self.stage.worker_with(&engine);
        assert_eq!(run(&worker, &self.task).await, Outcome::Done(Status::Completed));
        let seen = Snapshot::take(&*self.stage.store, &ann()).await.unwrap();
        assert_eq!((seen.lines.len(), usage(&self.stage).await.segments), (4, 4));
        assert_eq!(seen.conversations.iter().map(|page| page.lines.len()).sum::<usize>(), 4);
        assert_eq!((self.stage.blobs.names(), engine.calls()), (vec![], 2), "only the calls in progress are repeated");
    }
}

#[tokio::test]
async fn lost_worker_with_two_files_in_progress_duplicates_nothing() {
    let story = InFlight::new().await;
    let (worker, _) = story.stage.worker_with(&story.engine);
    let mut running = run(&worker, &story.task);
    story.stand(&mut running).await;
    drop(running);
    assert_eq!(story.engine.inside(), 0, "the calls in progress ended with it");
    story.stage.clock.advance(story.stage.services.settings.rules.takeover_after());
    story.finish().await;
}

#[tokio::test]
async fn fenced_worker_with_two_files_in_progress_changes_nothing() {
    let story = InFlight::new().await;
    // The worker's clock stands still: it does not notice that its lease is over.
    let stage = &story.stage;
    let services = Services { clock: testkit::TestClock::at(T0), ..stage.services.clone() };
    let late = Worker::new(services, story.engine.clone(), Default::default());
    let mut running = run(&late, &story.task);
    story.stand(&mut running).await;
    stage.clock.advance(stage.services.settings.rules.takeover_after());
    story.finish().await;
    let before = (Snapshot::take(&*stage.store, &ann()).await.unwrap(), stage.push.attempts().len());
    let Gate::Long(permits) = &story.engine.gate else { panic!("the gate has no permits") };
    permits.add_permits(2);
    assert_eq!(running.await, Outcome::Skipped(Skip::AlreadyFinished));
    let after = (Snapshot::take(&*stage.store, &ann()).await.unwrap(), stage.push.attempts().len());
    assert_eq!(after, before);
}

#[tokio::test]
async fn shutdown_with_two_files_in_progress_puts_the_job_back_without_an_attempt() {
    let story = InFlight::new().await;
    let (worker, shutdown) = story.stage.worker_with(&story.engine);
    let mut running = run(&worker, &story.task);
    story.stand(&mut running).await;
    shutdown.cancel();
    assert!(matches!(running.await, Outcome::Rescheduled { .. }));
    let job = story.stage.job(story.task.job_id).await;
    assert_eq!((job.status, job.attempt, story.engine.inside()), (Status::Queued, 0, 0));
    story.finish().await;
}

#[tokio::test]
async fn deadline_puts_the_job_back_and_keeps_its_progress() {
    let story = InFlight::new().await;
    let (worker, _) = story.stage.worker_with(&story.engine);
    let mut running = run(&worker, &story.task);
    story.stand(&mut running).await;
    story.stage.clock.advance(story.stage.services.settings.worker.handler_deadline);
    assert!(matches!(running.await, Outcome::Rescheduled { .. }));
    let job = story.stage.job(story.task.job_id).await;
    assert_eq!((job.status, job.attempt, job.waiting_for), (Status::Queued, 0, None));
    story.finish().await;
}

#[tokio::test]
async fn only_transcribed_speech_is_counted_for_any_number_of_attempts() {
    let stage = Stage::new().with(limits(3));
    let mut files = recordings(0, 4);
    files.push(Recording::silence(T0.millis() / 1000 - 80_000));
    let task = stage.accept_all(&files, None).await;
    // Outcomes by text: one is transcribed, one is empty, one is refused, one fails until it is healed.
    let kinds = Arc::new(std::sync::Mutex::new(Vec::new()));
    let healed = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (order, is_healed) = (Arc::clone(&kinds), Arc::clone(&healed));
    let engine = Arc::new(Script::new(move |audio| {
        if is_the_clip(audio) {
            return Reply::Text;
        }
        let (said, mut order) = (number(audio), order.lock().unwrap());
        let index = order.iter().position(|known| *known == said).unwrap_or_else(|| {
            order.push(said);
            order.len() - 1
        });
        match index {
            0 => Reply::Text,
            1 => Reply::Nothing,
            2 => Reply::Fails(RetryClass::Refused),
            _ if is_healed.load(Ordering::Relaxed) => Reply::Text,
            _ => Reply::Fails(RetryClass::Transient),
        }
    }));
    let (worker, _) = stage.worker_with(&engine);
    assert!(matches!(while_time_passes(&stage, run(&worker, &task)).await, Outcome::Rescheduled { .. }));
    let speech_ms = |job: &Job, status: FileStatus| -> u64 {
        let those = job.files.iter().filter(|file| file.status == status && file.counts.placed > 0);
        those.map(|file| file.facts.speech_ms).sum()
    };
    let first = usage(&stage).await;
    let job = stage.job(task.job_id).await;
    assert_eq!((first.segments, first.transcribed_ms), (1, speech_ms(&job, FileStatus::Done)));

    healed.store(true, Ordering::Relaxed);
    assert_eq!(run(&worker, &task).await, Outcome::Done(Status::PartialFailure));
    let (job, second) = (stage.job(task.job_id).await, usage(&stage).await);
    assert_eq!((second.segments, second.transcribed_ms), (2, speech_ms(&job, FileStatus::Done)));
    let all: u64 = job.files.iter().map(|file| file.facts.speech_ms).sum();
    assert!(0 < second.transcribed_ms && second.transcribed_ms < all, "{second:?} of {all} ms");

    // The same files again, and a retry of the failed one: no new text is produced.
    let again = stage.accept_all(&files, None).await;
    assert_eq!(run(&worker, &again).await, Outcome::Done(Status::PartialFailure));
    assert_eq!(usage(&stage).await, second);
}
