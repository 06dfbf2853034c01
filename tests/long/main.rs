//! Recordings whose first pass takes longer than a delivery. This is a process of its own, because decoding is counted
//! for the process.

#![allow(clippy::unwrap_used, reason = "all of this runs inside tests, where a panic is the message")]

#[path = "../flow/harness.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod harness;
#[path = "../flow/script.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod script;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use domain::{Job, Recording, Status, Timestamp};
use flow::ports::{At, BlobName, BlobWriter, Blobs, Created, TaskBody};
use flow::process::Outcome;
use flow::settings::WorkerLimits;
use flow::{Error, Kind, Result, Services};
use futures_util::stream::{self, BoxStream, StreamExt};
use testkit::TestClock;
use testkit::build::{T0, batch, named};

use crate::harness::{Stage, ann};
use crate::script::{Reply, Script};

/// A frame of 10 ms with 8-bit samples, and its length.
const FRAME: usize = 4 + 160;
const FRAMES_A_SECOND: usize = 100;
/// How much faster than real time a recording is read.
const SPEED: u64 = 100;
const PIECE: usize = 64 * FRAME;
const DEADLINE: Duration = Duration::from_secs(20);

/// A recording that is generated while it is read. Reading takes time: the clock advances with every piece.
struct Talk {
    seconds: u64,
    /// The length of speech, which begins at a regular interval.
    talk: u64,
    every: u64,
    clock: Arc<TestClock>,
    opened: Arc<AtomicU64>,
}

impl Talk {
    fn size(&self) -> u64 {
        self.seconds * (FRAMES_A_SECOND * FRAME) as u64
    }

    /// A second of tone and half a second of pause, while there is speech.
    fn is_loud(&self, frame: u64) -> bool {
        frame / FRAMES_A_SECOND as u64 % self.every < self.talk && frame % 150 < 100
    }
}

fn frame(loud: u8) -> Vec<u8> {
    let samples = (0..160).map(|sample| if sample % 8 < 4 { 128 + loud } else { 128 - loud });
    160_u32.to_le_bytes().into_iter().chain(samples).collect()
}

#[async_trait]
impl Blobs for Talk {
    async fn create(&self, name: &BlobName) -> Result<Box<dyn BlobWriter>> {
        Err(Error::new(Kind::Full, "blobs.create", name))
    }

    async fn read(&self, _: &BlobName, offset: u64) -> Result<BoxStream<'static, Result<Bytes>>> {
        self.opened.fetch_add(1, Ordering::Relaxed);
        let talk = Talk { clock: Arc::clone(&self.clock), opened: Arc::clone(&self.opened), ..*self };
        let first = offset / FRAME as u64;
        let mut skipped = (offset % FRAME as u64) as usize;
        let (loud, quiet) = (frame(60), frame(0));
        let pieces = (first..talk.seconds * FRAMES_A_SECOND as u64).step_by(PIECE / FRAME).map(move |from| {
            let until = (from + (PIECE / FRAME) as u64).min(talk.seconds * FRAMES_A_SECOND as u64);
            let mut bytes = Vec::with_capacity(PIECE);
            (from..until).for_each(|number| bytes.extend_from_slice(if talk.is_loud(number) { &loud } else { &quiet }));
            bytes.drain(..std::mem::take(&mut skipped));
            talk.clock.advance(Duration::from_millis((until - from) * 10 / SPEED));
            Ok(Bytes::from(bytes))
        });
        Ok(stream::iter(pieces).boxed())
    }

    async fn delete(&self, _: &BlobName) -> Result<()> {
        Ok(())
    }

    async fn list(&self, _: &str, _: Option<&BlobName>, _: usize) -> Result<Vec<(BlobName, Duration)>> {
        Ok(Vec::new())
    }

    async fn ready(&self) -> Result<()> {
        Ok(())
    }
}

/// The outcome of a recording, and its cost.
struct Ended {
    job: Job,
    recording: Recording,
    deliveries: usize,
    decoded: Duration,
    /// The lengths of the audio that the engine was given.
    given: Vec<usize>,
}

/// Processes a recording in deliveries of this length until its job has ended.
async fn worked_on(seconds: u64, talk: u64, every: u64, handler_deadline: Duration) -> Ended {
    let stage = Stage::new().with(WorkerLimits { handler_deadline, parallelism: 1, ..WorkerLimits::default() });
    let blobs = Talk { seconds, talk, every, clock: Arc::clone(&stage.clock), opened: Arc::default() };
    let mut batch = batch(&ann(), &[named("phone", T0).replace("pcm16", "pcm8")]);
    batch.files[0].size = blobs.size();
    let services = Services { blobs: Arc::new(blobs), ..stage.services.clone() };
    let at = At { now: services.now(), rules: &services.settings.rules };
    let Created::New { job, .. } = services.store.create_job(&batch, at).await.unwrap() else { panic!("it is new") };
    let task = TaskBody { job_id: job.id, uid: job.uid, dispatch: job.dispatch.number };
    let given = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&given);
    let engine = Arc::new(Script::new(move |audio| {
        heard.lock().unwrap().push(audio.samples.len());
        Reply::Text
    }));
    let stage = Stage { services, ..stage };
    let (before, mut deliveries) = (audio::decoded_ms(), 0);
    loop {
        deliveries += 1;
        assert!(deliveries < 200, "the job does not end");
        let (worker, _) = stage.worker_with(&engine);
        match tokio::time::timeout(Duration::from_secs(300), worker.run(&task)).await.expect("it hangs").unwrap() {
            Outcome::Done(_) => break,
            Outcome::Rescheduled { due_at } => {
                stage.clock.set(stage.clock_now().max(due_at.unwrap_or(Timestamp::from_millis(0))));
            }
            other => panic!("{other:?}"),
        }
    }
    let job = stage.job(task.job_id).await;
    let recording =
        stage.services.store.recordings(&ann(), &[job.files[0].recording]).await.unwrap().remove(0).unwrap();
    let decoded = Duration::from_millis(audio::decoded_ms() - before);
    let mut given = std::mem::take(&mut *given.lock().unwrap());
    given.sort_unstable();
    Ended { job, recording, deliveries, decoded, given }
}

/// The two runs are sequential, because decoding is counted for the whole process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn six_hours_in_short_deliveries_are_completed_and_decoded_little_more_than_once() {
    let six_hours = 6 * 3_600;
    let ended = worked_on(six_hours, 120, 1_800, DEADLINE).await;
    assert_eq!((ended.job.status, ended.job.attempt), (Status::Completed, 1), "no attempt was counted");
    assert!(ended.deliveries > 10, "{} deliveries", ended.deliveries);
    let times = ended.decoded.as_secs_f64() / six_hours as f64;
    println!("{} deliveries, decoded {times:.3} times", ended.deliveries);
    // Decoding in the first pass, and again where speech is cut out.
    assert!(times < 1.3, "decoded {times} times");

    // An interrupted recording gets the same plan as an uninterrupted one, and the engine is given the same audio.
    let interrupted = worked_on(2_400, 40, 60, Duration::from_secs(8)).await;
    let at_once = worked_on(2_400, 40, 60, Duration::from_secs(86_400)).await;
    assert_eq!((at_once.job.status, interrupted.job.status), (Status::Completed, Status::Completed));
    assert!(at_once.deliveries == 1 && interrupted.deliveries > 5, "{} deliveries", interrupted.deliveries);
    // Where there is speech nearly all the time, all of it is decoded again to be cut.
    let times = at_once.decoded.as_secs_f64() / 2_400.0;
    println!("{} delivery, decoded {times:.3} times", at_once.deliveries);
    assert!(times < 2.2, "decoded {times} times");
    assert_eq!(at_once.recording.plan, interrupted.recording.plan);
    assert_eq!((at_once.recording.facts, at_once.given), (interrupted.recording.facts, interrupted.given));
}
