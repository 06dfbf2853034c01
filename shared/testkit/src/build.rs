//! Builders of test data that read like a sentence: `batch(&ann, &[phone(0), phone(90)])`, `speech(&[(0, 4_000)])`.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::accept::{Batch, StagedFile};
use domain::levels::{Mix, Stretch};
use domain::line::{Utterance, count_words};
use domain::name::parse;
use domain::peaks::MAX_PEAKS;
use domain::placement::interval;
use domain::planning::{FilePlan, Heard};
use domain::recording::AudioFacts;
use domain::session::{OfferedFile, SessionRequest, WholeFile};
use domain::{
    Codec, ConversationId, DeviceId, FrameFormat, Job, JobId, Levels, Line, Nonce, Peaks, Recording, RecordingId,
    Segment, Sha256Hex, Timestamp, Uid,
};
use flow::ports::{BlobName, Device, NewTask, Platform, PushMessage, TaskBody};
use sha2::{Digest, Sha256};
use uuid::Builder;

/// The moment at which tests begin: 2026-11-20T10:00:00Z, the start of an hour.
pub const T0: Timestamp = Timestamp::from_secs(1_795_168_800);

/// The moment this many seconds after [`T0`]; before it, if the number is negative.
pub fn after(secs: i64) -> Timestamp {
    Timestamp::from_millis(T0.millis() + secs * 1000)
}

pub fn uid(text: &str) -> Uid {
    Uid::new(text).unwrap()
}

pub fn device_id(text: &str) -> DeviceId {
    DeviceId::new(text).unwrap()
}

/// Distinct ids, sorted like their numbers.
pub fn job_id(n: u64) -> JobId {
    JobId(numbered(n))
}

pub fn conversation_id(n: u64) -> ConversationId {
    ConversationId(numbered(n))
}

pub fn nonce(n: u64) -> Nonce {
    Nonce(numbered(n))
}

fn numbered(n: u64) -> uuid::Uuid {
    Builder::from_random_bytes(u128::from(n).to_be_bytes()).into_uuid()
}

/// The file name of a recording that this device began at this moment.
pub fn named(device: &str, captured_at: Timestamp) -> String {
    FrameFormat { codec: Codec::Pcm16, rate: 16_000, channels: 1, frame_samples: 160 }.file_name(device, captured_at)
}

/// The file name of a recording that the device `phone` began this many seconds after [`T0`].
pub fn phone(secs: i64) -> String {
    named("phone", after(secs))
}

/// The digest of the content behind a file name: the same name stands for the same bytes.
pub fn sha256(name: &str) -> Sha256Hex {
    Sha256Hex(Sha256::digest(name.as_bytes()).into())
}

pub fn recording_id(uid: &Uid, name: &str) -> RecordingId {
    RecordingId::derive(uid, name, &sha256(name))
}

pub fn blob(uid: &Uid, job: JobId, index: usize) -> BlobName {
    BlobName::new(uid, job, index, "audio.bin")
}

/// A staged batch of these recordings, with a new job id.
pub fn batch(uid: &Uid, names: &[impl AsRef<str>]) -> Batch {
    static NEXT: AtomicU64 = AtomicU64::new(1 << 32);
    batch_as(job_id(NEXT.fetch_add(1, Ordering::Relaxed)), uid, names)
}

pub fn batch_as(job_id: JobId, uid: &Uid, names: &[impl AsRef<str>]) -> Batch {
    let staged = |(index, name): (usize, &_)| staged(uid, job_id, index, AsRef::as_ref(name));
    Batch {
        job_id,
        uid: uid.clone(),
        files: names.iter().enumerate().map(staged).collect(),
        conversation_id: None,
        language: None,
        traceparent: None,
    }
}

pub fn staged(uid: &Uid, job_id: JobId, index: usize, name: &str) -> StagedFile {
    let parsed = parse(name).unwrap_or_else(|error| panic!("{name} is no recording: {error}"));
    StagedFile {
        name: name.to_owned(),
        blob: BlobName::new(uid, job_id, index, name).to_string(),
        size: 32_000,
        sha256: sha256(name),
        crc32c: crc32c::crc32c(name.as_bytes()),
        stream: parsed.stream,
        captured_at: parsed.captured_at,
        silent: None,
    }
}

/// A request for an upload session of the same recordings as [`batch`].
pub fn session(uid: &Uid, names: &[impl AsRef<str>]) -> SessionRequest {
    session_of(batch(uid, names))
}

pub fn session_of(batch: Batch) -> SessionRequest {
    let offered = |file: StagedFile| OfferedFile {
        name: file.name,
        blob: file.blob,
        size: file.size,
        sha256: file.sha256,
        crc32c: Some(file.crc32c),
        stream: file.stream,
        captured_at: file.captured_at,
    };
    SessionRequest {
        job_id: batch.job_id,
        uid: batch.uid,
        files: batch.files.into_iter().map(offered).collect(),
        conversation_id: None,
        language: None,
        traceparent: None,
    }
}

/// Every file of a session, reported as completely uploaded.
pub fn whole(session: &Job) -> Vec<WholeFile> {
    let crc32c = |file: &domain::JobFile| crc32c::crc32c(file.name.as_bytes());
    let files = session.files.iter().enumerate();
    files.map(|(index, file)| WholeFile { index, size: file.size, crc32c: crc32c(file) }).collect()
}

/// Segments from start and end in milliseconds. The whole of each segment counts as speech.
pub fn segments(spans: &[(u32, u32)]) -> Vec<Segment> {
    spans.iter().map(|&(start, end)| Segment::open(start, end, end - start)).collect()
}

pub fn speech(spans: &[(u32, u32)]) -> Heard {
    Heard::Speech(segments(spans))
}

/// The audio facts that decoding would report for a file with this speech.
pub fn facts(heard: &Heard) -> AudioFacts {
    let Heard::Speech(segments) = heard else {
        return AudioFacts { duration_ms: 60_000, heard_by: Levels::RULES, ..AudioFacts::default() };
    };
    AudioFacts {
        duration_ms: segments.last().map_or(0, |last| u64::from(last.end_ms)) + 500,
        speech_ms: segments.iter().map(|s| u64::from(s.speech_ms)).sum(),
        heard_by: Levels::RULES,
        ..AudioFacts::default()
    }
}

/// The plan that a worker would write for a file of this job with this speech.
pub fn plan(job: &Job, index: usize, heard: Heard) -> FilePlan {
    let (facts, peaks, levels) = (facts(&heard), peaks(&heard), levels(&heard));
    FilePlan { fence: job.lease.fence, index, verified: true, facts, heard, peaks, levels }
}

/// The peaks of a file with this speech, as many pairs as a real file has.
pub fn peaks(heard: &Heard) -> Peaks {
    let Heard::Speech(segments) = heard else { return Peaks::default() };
    let high = |at: usize| (at % 100) as i8 + (segments.len() % 20) as i8;
    Peaks::new((0..MAX_PEAKS).map(|at| (-high(at), high(at))))
}

/// The levels of a file with this speech: one stretch per segment.
pub fn levels(heard: &Heard) -> Levels {
    let Heard::Speech(segments) = heard else { return Levels::default() };
    Levels::of(segments.iter().enumerate().map(|(n, s)| Stretch::new(s.start_ms, 1.0 + n as f32, Mix::Mid)))
}

/// The line for a segment of a planned recording, not placed yet.
pub fn line_for(recording: &Recording, start_ms: u32, text: &str) -> Line {
    let segment = recording.plan.as_ref().and_then(|plan| plan.find(start_ms)).copied();
    let (Some(segment), Some(captured_at)) = (segment, recording.captured_at) else {
        panic!("no segment of {} starts at {start_ms} ms", recording.name);
    };
    let at = interval(captured_at, &segment);
    let utterances = vec![utterance(segment.end_ms - segment.start_ms, text)];
    Line {
        recording: recording.id,
        start_ms,
        uid: recording.uid.clone(),
        stream: recording.stream.clone(),
        starts_at: at.start,
        ends_at: at.end,
        language: Some("en".to_owned()),
        words: count_words(&utterances),
        utterances,
        conversation_id: None,
        attached: false,
        stub: false,
    }
}

pub fn utterance(length_ms: u32, text: &str) -> Utterance {
    Utterance { start_ms: 0, end_ms: length_ms, text: text.to_owned(), speaker: None, words: None }
}

pub fn device(uid: &Uid, id: &str, token: &str) -> Device {
    Device {
        uid: uid.clone(),
        id: device_id(id),
        platform: Platform::Android,
        token: token.to_owned(),
        registered_at: T0,
        used_at: T0,
    }
}

pub fn task(job_id: JobId, uid: &Uid, dispatch: u32) -> NewTask {
    NewTask { body: TaskBody { job_id, uid: uid.clone(), dispatch }, schedule: None, traceparent: None }
}

pub fn message(data: &[(&str, &str)]) -> PushMessage {
    PushMessage { data: data.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect() }
}
