//! Values for the tests of this crate.

use uuid::Uuid;

use crate::accept::{Batch, Decision, Known, StagedFile, decide};
use crate::conversation::Conversation;
use crate::id::{ConversationId, JobId, RecordingId, Sha256Hex, Uid};
use crate::job::Job;
use crate::line::Line;
use crate::name::{Source, Stream};
use crate::rules::Rules;
use crate::time::Timestamp;
use crate::transition::Context;

pub const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

pub fn after(secs: i64) -> Timestamp {
    Timestamp::from_millis(NOW.millis() + secs * 1000)
}

pub fn uid(text: &str) -> Uid {
    Uid::new(text).unwrap()
}

fn stream() -> Stream {
    Stream { source: Source::Phone, device: "phone".to_owned() }
}

/// Ann's job with this id, which was accepted this many seconds after [`NOW`] with one recording of that time. It holds a
/// slot, or waits for one.
pub fn job(id: u128, secs: i64, slot_free: bool) -> Job {
    let file = StagedFile {
        name: format!("audio_x_pcm16_16000_1_fs160_{id}.bin"),
        blob: format!("uploads/ann/{id}/0-x"),
        size: 1,
        sha256: Sha256Hex([1; 32]),
        crc32c: 1,
        stream: stream(),
        captured_at: Some(after(secs)),
        silent: None,
    };
    let batch = Batch {
        job_id: JobId(Uuid::from_u128(id)),
        uid: uid("ann"),
        files: vec![file],
        conversation_id: None,
        language: None,
        traceparent: None,
    };
    let known = Known { recordings: vec![None], ..Known::default() };
    let ctx = Context { now: after(secs), rules: &Rules::default(), slot_free, slot_is_provisional: false };
    let Decision::Create { job, .. } = decide(&batch, known, ctx) else { panic!("not created") };
    job
}

/// A line of Ann's that begins this many seconds after [`NOW`].
pub fn line(recording: RecordingId, secs: i64) -> Line {
    Line {
        recording,
        start_ms: secs as u32 * 1000,
        uid: uid("ann"),
        stream: stream(),
        starts_at: after(secs),
        ends_at: after(secs + 1),
        language: None,
        utterances: Vec::new(),
        words: 0,
        conversation_id: None,
        attached: false,
        stub: false,
    }
}

/// A live conversation of Ann's that began this many seconds after [`NOW`].
pub fn conversation(id: u128, secs: i64) -> Conversation {
    Conversation::new(ConversationId(Uuid::from_u128(id)), &uid("ann"), &stream(), after(secs))
}
