//! The digest of an upload session is only claimed: its bytes change nothing before a worker has verified them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::{Code, Command, JobId, Sha256Hex, Status};
use flow::Result;
use flow::accept::BatchOptions;
use flow::ports::{BlobName, BlobWriter, Blobs, IncomingUpload, ReceivesUploads, TaskBody};
use flow::process::Outcome;
use flow::session::{self, Completed, Offer, OpenSession, Opening};
use futures_util::stream::BoxStream;
use sha2::{Digest, Sha256};
use speech::RetryClass;
use testkit::build::{T0, nonce};
use testkit::{SeededRandom, memory};
use tests::Recording;
use tests::recordings::numbered;

use crate::harness::{Stage, ann, soon};
use crate::script::{Reply, Script, number};

/// A blob store that counts how often one of its blobs is opened.
struct Counting {
    blobs: Arc<memory::Blobs>,
    reads: AtomicUsize,
}

#[async_trait::async_trait]
impl Blobs for Counting {
    async fn create(&self, name: &BlobName) -> Result<Box<dyn BlobWriter>> {
        self.blobs.create(name).await
    }

    async fn read(&self, name: &BlobName, offset: u64) -> Result<BoxStream<'static, Result<Bytes>>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.blobs.read(name, offset).await
    }

    async fn delete(&self, name: &BlobName) -> Result<()> {
        self.blobs.delete(name).await
    }

    async fn list(&self, prefix: &str, after: Option<&BlobName>, limit: usize) -> Result<Vec<(BlobName, Duration)>> {
        self.blobs.list(prefix, after, limit).await
    }

    async fn ready(&self) -> Result<()> {
        self.blobs.ready().await
    }
}

/// A stage whose blob store counts its reads.
fn counting() -> (Stage, Arc<Counting>) {
    let mut stage = Stage::new();
    let counting = Arc::new(Counting { blobs: stage.blobs.clone(), reads: AtomicUsize::new(0) });
    stage.services.blobs = counting.clone();
    (stage, counting)
}

fn digest(bytes: &[u8]) -> Sha256Hex {
    Sha256Hex(Sha256::digest(bytes).into())
}

/// Uploads a session that claims to contain `claimed`, but contains other bytes.
async fn upload_session(stage: &Stage, claimed: &Recording, bytes: Bytes) -> TaskBody {
    let (name, size, sha256) = (claimed.name.clone(), claimed.bytes.len() as u64, digest(&claimed.bytes));
    let files = vec![Offer { name, size, sha256, crc32c: None, captured_at: None }];
    let asked = OpenSession { uid: ann(), files, terms: BatchOptions::default(), traceparent: None };
    let opening = session::open(&stage.services, asked).await.unwrap();
    let Opening::Session { job, .. } = opening else { panic!("it is known: {opening:?}") };
    let uploads = memory::Uploads::new(stage.blobs.clone(), Arc::new(SeededRandom::new(3)));
    let blob = BlobName::listed(job.files[0].blob.clone());
    let arriving = uploads.append(&blob, session::expected(&job.files[0])).await.unwrap();
    let IncomingUpload::Open(mut writer) = arriving else { panic!("the bytes are there already") };
    writer.write(bytes).await.unwrap();
    writer.flush().await.unwrap();
    let completed = session::complete(&stage.services, &job).await.unwrap();
    let Completed::Accepted { job, .. } = completed else { panic!("not completed: {completed:?}") };
    TaskBody { job_id: job.id, uid: job.uid, dispatch: job.dispatch.number }
}

async fn delivered(stage: &Stage, engine: &Arc<Script>, task: &TaskBody) -> Outcome {
    stage.clock.advance(Duration::from_secs(3_600));
    soon(Box::pin(stage.worker_with(engine).0.run(task))).await.unwrap()
}

fn failing_engine() -> Arc<Script> {
    Arc::new(Script::new(|_| Reply::Fails(RetryClass::Later { after: None })))
}

fn working_engine() -> Arc<Script> {
    Arc::new(Script::new(|_| Reply::Text))
}

async fn code(stage: &Stage, job: JobId) -> Option<Code> {
    stage.job(job).await.files[0].failure.as_ref().map(|failure| failure.code)
}

fn texts(stage: &Stage) -> Vec<String> {
    stage.store.all_lines(&ann()).iter().map(domain::Line::text).collect()
}

/// The texts that an engine of [`working_engine`] gives for the recording when the digest is right.
async fn expected_texts(recording: &Recording) -> Vec<String> {
    let stage = Stage::new();
    let task = stage.accept(&recording.name, &recording.bytes).await;
    assert_eq!(delivered(&stage, &working_engine(), &task).await, Outcome::Done(Status::Completed));
    texts(&stage)
}

/// Other speech of the same length.
fn other_speech(of: &Recording) -> Bytes {
    let turned: Vec<u8> = of.bytes.chunks(324).collect::<Vec<_>>().into_iter().rev().flatten().copied().collect();
    assert!(turned.len() == of.bytes.len() && turned != of.bytes);
    turned.into()
}

/// Ends a job that has planned a recording and placed nothing of it.
async fn planned(stage: &Stage, recording: &Recording, how: &Command) -> domain::Job {
    let task = stage.accept(&recording.name, &recording.bytes).await;
    assert!(matches!(delivered(stage, &failing_engine(), &task).await, Outcome::Rescheduled { .. }));
    match stage.services.step(task.job_id, how).await.unwrap() {
        flow::ports::Stepped::Done { job, .. } => job,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn wrong_bytes_for_a_planned_recording_are_refused_and_the_right_ones_transcribed() {
    let recording = Recording::speech(T0.millis() / 1000 - 86_400);
    let stage = Stage::new();
    planned(&stage, &recording, &Command::Cancel).await;
    let task = upload_session(&stage, &recording, other_speech(&recording)).await;
    let engine = working_engine();
    assert_eq!(delivered(&stage, &engine, &task).await, Outcome::Done(Status::Failed));
    assert_eq!(code(&stage, task.job_id).await, Some(Code::DigestMismatch));
    assert_eq!((engine.calls(), texts(&stage)), (0, vec![]), "no audio of these bytes is transcribed");

    let task = upload_session(&stage, &recording, recording.bytes.clone()).await;
    assert_eq!(delivered(&stage, &engine, &task).await, Outcome::Done(Status::Completed));
    assert_eq!(texts(&stage), expected_texts(&recording).await);
}

#[tokio::test]
async fn wrong_bytes_for_a_recording_with_stored_texts_place_only_those_texts() {
    let recording = Recording::new(Recording::speech(T0.millis() / 1000 - 86_400).name, twice());
    let stage = Stage::new();
    let first = Arc::new(std::sync::Mutex::new(None));
    let heard = Arc::clone(&first);
    let half = Arc::new(Script::new(move |audio| {
        match *heard.lock().unwrap().get_or_insert(number(audio)) == number(audio) {
            true => Reply::Text,
            false => Reply::Fails(RetryClass::Later { after: None }),
        }
    }));
    let task = stage.accept(&recording.name, &recording.bytes).await;
    assert!(matches!(delivered(&stage, &half, &task).await, Outcome::Rescheduled { .. }));
    stage.services.step(task.job_id, &Command::Cancel).await.unwrap();
    let before = texts(&stage);
    assert_eq!(before.len(), 1);
    let task = upload_session(&stage, &recording, other_speech(&recording)).await;
    let engine = working_engine();
    assert!(matches!(delivered(&stage, &engine, &task).await, Outcome::Done(_)));
    assert_eq!(code(&stage, task.job_id).await, Some(Code::DigestMismatch));
    assert_eq!((engine.calls(), texts(&stage)), (0, before));
    let task = upload_session(&stage, &recording, recording.bytes.clone()).await;
    assert_eq!(delivered(&stage, &engine, &task).await, Outcome::Done(Status::Completed));
    assert_eq!(texts(&stage), expected_texts(&recording).await);
}

/// The clip, half a minute of silence, and the clip again.
fn twice() -> Bytes {
    let clip = Recording::speech(0).bytes;
    let silence = [&320_u32.to_le_bytes()[..], &[0; 320]].concat().repeat(3_000);
    [&clip[..], &silence, &clip].concat().into()
}

#[tokio::test]
async fn retry_verifies_the_bytes_again() {
    let recording = Recording::speech(T0.millis() / 1000 - 86_400);
    let stage = Stage::new();
    planned(&stage, &recording, &Command::Cancel).await;
    let mut task = upload_session(&stage, &recording, other_speech(&recording)).await;
    let engine = working_engine();
    assert_eq!(delivered(&stage, &engine, &task).await, Outcome::Done(Status::Failed));
    stage.services.step(task.job_id, &Command::Retry { key: nonce(4) }).await.unwrap();
    task.dispatch = stage.job(task.job_id).await.dispatch.number;
    assert_eq!(delivered(&stage, &engine, &task).await, Outcome::Done(Status::Failed));
    assert_eq!((code(&stage, task.job_id).await, engine.calls()), (Some(Code::DigestMismatch), 0));
}

#[tokio::test]
async fn digest_mismatch_is_reported_before_invalid_audio() {
    for large in [0, 3 << 20] {
        let recording = match large {
            0 => Recording::speech(T0.millis() / 1000 - 86_400),
            size => Recording::large(T0.millis() / 1000 - 86_400, &numbered(size)),
        };
        let stage = Stage::new();
        let task = upload_session(&stage, &recording, vec![0x7F; recording.bytes.len()].into()).await;
        assert_eq!(delivered(&stage, &working_engine(), &task).await, Outcome::Done(Status::Failed));
        assert_eq!(code(&stage, task.job_id).await, Some(Code::DigestMismatch), "{} bytes", recording.bytes.len());
    }
}

#[tokio::test]
async fn files_of_a_batch_are_not_read_again_for_their_digest() {
    let (stage, counting) = counting();
    let recording = Recording::large(T0.millis() / 1000 - 86_400, &numbered(3 << 20));
    let task = stage.accept(&recording.name, &recording.bytes).await;
    assert!(stage.job(task.job_id).await.files[0].verified, "the server digested it while it came");
    assert_eq!(delivered(&stage, &working_engine(), &task).await, Outcome::Done(Status::Completed));
    assert_eq!(counting.reads.load(Ordering::Relaxed), 1);
}

/// In every case: before the plan, with the plan of another job, and where the plan could not be written.
#[tokio::test]
async fn bytes_of_a_session_are_digested_once_across_deliveries() {
    let recording = Recording::large(T0.millis() / 1000 - 86_400, &numbered(3 << 20));
    for has_plan in [false, true] {
        let (stage, counting) = counting();
        if has_plan {
            planned(&stage, &recording, &Command::Cancel).await;
        }
        let task = upload_session(&stage, &recording, recording.bytes.clone()).await;
        assert!(!stage.job(task.job_id).await.files[0].verified);
        // The first delivery reads the bytes for the digest and for the samples, the second one only for the samples.
        for (expected, engine) in [(2, failing_engine()), (1, working_engine())] {
            counting.reads.store(0, Ordering::Relaxed);
            delivered(&stage, &engine, &task).await;
            assert!(stage.job(task.job_id).await.files[0].verified);
            assert_eq!(counting.reads.load(Ordering::Relaxed), expected, "with a plan: {has_plan}");
        }
        assert_eq!(stage.job(task.job_id).await.status, Status::Completed);
    }
}

#[tokio::test]
async fn large_file_is_marked_verified_before_the_first_pass() {
    let (stage, counting) = counting();
    let recording = Recording::large(T0.millis() / 1000 - 86_400, &numbered(3 << 20));
    let task = upload_session(&stage, &recording, recording.bytes.clone()).await;
    let is_marked = async {
        while !stage.job(task.job_id).await.files[0].verified {
            tokio::task::yield_now().await;
        }
    };
    let (worker, _) = stage.worker_with(&working_engine());
    tokio::select! {
        biased;
        () = soon(is_marked) => {}
        done = Box::pin(worker.run(&task)) => panic!("the file should have been marked before: {done:?}"),
    }
    // The worker is lost: the next one listens again, and does not verify again.
    assert_eq!(stage.job(task.job_id).await.files[0].counts.segments, 0, "there is no plan yet");
    counting.reads.store(0, Ordering::Relaxed);
    assert_eq!(delivered(&stage, &working_engine(), &task).await, Outcome::Done(Status::Completed));
    assert_eq!(counting.reads.load(Ordering::Relaxed), 1);
}
