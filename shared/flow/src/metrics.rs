//! The metrics of the use cases: the only list of their names, and how each is recorded.
//!
//! Labels hold states, codes and names of engines, and never an id, so that their number is bounded.

use domain::Job;

use crate::sweep::swept::Swept;

const SWEEP: &str = "afterword_sweep_repairs_total";
const PUSHES: &str = "afterword_pushes_total";
const ENDED: &str = "afterword_jobs_ended_total";
const ATTEMPTS: &str = "afterword_job_attempts_total";
const UPLOADED: &str = "afterword_upload_bytes_total";
const DECODED: &str = "afterword_decoded_audio_seconds_total";
const READ: &str = "afterword_blob_read_bytes_total";
const ENGINE: &str = "afterword_engine_call_duration_seconds";
const CALLS: &str = "afterword_engine_calls";
const CALLS_WAITING: &str = "afterword_engine_calls_waiting";
const DAMAGED: &str = "afterword_unreadable_documents_total";
/// The tables that an unreadable document can be in.
const DOCUMENTS: [&str; 8] = [
    "offline_sync_jobs",
    "recordings",
    "recording_peaks",
    "lines",
    "conversations",
    "timelines",
    "usage_hours",
    "devices",
];
const TRANSCRIBED: &str = "afterword_transcribed_audio_seconds";

/// Describes each metric, and sets counters to zero so that they are visible at once. To be called after the recorder is
/// installed.
pub fn describe() {
    use metrics::{counter, describe_counter, describe_gauge, describe_histogram};
    describe_gauge!("afterword_jobs", "Jobs, by status; finished ones until they are forgotten");
    describe_gauge!(
        "afterword_oldest_due_job_age_seconds",
        "How long the job that is due longest has been due; 0: none"
    );
    describe_gauge!("afterword_jobs_effects_due", "Finished jobs whose push, clean-up or end is due; counted to 10000");
    describe_gauge!("afterword_jobs_waiting", "Queued jobs that wait, by what they wait for");
    describe_gauge!(
        "afterword_oldest_unfinished_job_age_seconds",
        "Age of the oldest accepted job that has not ended; 0: none"
    );
    describe_counter!(ATTEMPTS, "Jobs taken up by a worker");
    describe_counter!(ENDED, "Jobs that ended, by status and by the code of their error");
    describe_counter!(UPLOADED, "Bytes of the recordings in accepted jobs");
    describe_counter!(READ, "Bytes of staged audio read for decoding");
    describe_counter!(DECODED, "Audio that was decoded, whatever for");
    describe_counter!(SWEEP, "What the sweep had to do, by kind");
    describe_counter!(PUSHES, "Silent pushes, one for each device and attempt, by outcome");
    describe_gauge!(CALLS, "Calls of the speech engine that are being answered");
    describe_gauge!(CALLS_WAITING, "Calls of the speech engine that wait for a place");
    describe_histogram!(ENGINE, "Calls of the speech engine, by engine and outcome");
    describe_counter!(DAMAGED, "Stored documents that this process met and cannot read, each once, by table");
    describe_histogram!(TRANSCRIBED, "Audio that the speech engine gave text for, one sample for each call");
    for name in [ATTEMPTS, UPLOADED, READ, DECODED] {
        counter!(name).increment(0);
    }
    swept(&Swept::default());
    for of in DOCUMENTS {
        counter!(DAMAGED, "of" => of).increment(0);
    }
    for outcome in ["sent", "unregistered", "later", "rejected", "failed"] {
        counter!(PUSHES, "outcome" => outcome).increment(0);
    }
}

pub(crate) fn attempt() {
    metrics::counter!(ATTEMPTS).increment(1);
}

pub(crate) fn ended(job: &Job) {
    let code = job.error.as_ref().map_or("none", |error| error.code.as_str());
    metrics::counter!(ENDED, "status" => job.status.as_str(), "code" => code).increment(1);
}

pub(crate) fn uploaded(bytes: u64) {
    metrics::counter!(UPLOADED).increment(bytes);
}

pub(crate) fn read(bytes: usize) {
    metrics::counter!(READ).increment(bytes as u64);
}

pub(crate) fn engine_called(engine: &str, outcome: &'static str, took: std::time::Duration) {
    metrics::histogram!(ENGINE, "engine" => engine.to_owned(), "outcome" => outcome).record(took);
}

pub(crate) fn engine_calls(answered: usize, waiting: usize) {
    metrics::gauge!(CALLS).set(answered as f64);
    metrics::gauge!(CALLS_WAITING).set(waiting as f64);
}

pub(crate) fn transcribed(audio: std::time::Duration) {
    metrics::histogram!(TRANSCRIBED).record(audio);
}

pub(crate) fn damaged(of: &'static str) {
    metrics::counter!(DAMAGED, "of" => of).increment(1);
}

pub(crate) fn pushed(outcome: &'static str) {
    metrics::counter!(PUSHES, "outcome" => outcome).increment(1);
}

pub(crate) fn swept(swept: &Swept) {
    let Swept { enqueued, recovered, finished_effects, expired, blobs_deleted, forgotten, corrected } = *swept;
    for (kind, count) in [
        ("enqueued", enqueued),
        ("recovered", recovered),
        ("finished_effects", finished_effects),
        ("expired", expired),
        ("blobs_deleted", blobs_deleted),
        ("forgotten", forgotten),
        ("corrected", corrected),
    ] {
        metrics::counter!(SWEEP, "kind" => kind).increment(count);
    }
}

/// Sets the seconds of audio decoded since the process began.
pub(crate) fn decoded(seconds: u64) {
    metrics::counter!(DECODED).absolute(seconds);
}
