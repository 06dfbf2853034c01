//! Words about jobs: what their statuses and codes mean, and what to do.

use std::time::Duration;

use domain::Timestamp;
use terminal::{Style, plain};

use crate::api::jobs::{File, Job};
use crate::times::{Zone, span};

pub fn style(status: &str) -> Style {
    match status {
        "completed" | "done" | "silent" => Style::Good,
        "failed" => Style::Bad,
        "partial_failure" => Style::Warning,
        "cancelled" => Style::Faint,
        _ => Style::Normal,
    }
}

/// How far a job is: `3/8 segments`, `2 files`.
pub fn progress(job: &Job) -> String {
    if job.total_segments == 0 {
        return String::new();
    }
    format!("{}/{}", job.processed_segments, job.total_segments)
}

/// Why a job does not go on at the moment, in a few words.
pub fn waits_for(job: &Job) -> String {
    let Some(waiting) = &job.waiting else { return String::new() };
    match waiting.code.as_str() {
        "turn" => format!("its turn ({} ahead)", job.queue.ahead),
        "engine_unavailable" => "the speech engine".to_owned(),
        "language_unsupported" => "an engine for its language".to_owned(),
        "storage_unavailable" => "the storage".to_owned(),
        "budget_used_up" => "the daily budget".to_owned(),
        other => plain(other).replace('_', " "),
    }
}

/// Since when it waits, and when it is tried again.
pub fn waits(job: &Job, zone: &Zone, now: Timestamp) -> Option<String> {
    let waiting = job.waiting.as_ref()?;
    let mut sentence = if waiting.detail.is_empty() { waits_for(job) } else { plain(&waiting.detail) };
    waiting.since.iter().for_each(|since| sentence += &format!(", since {}", zone.soon(*since, now)));
    waiting.next_try.iter().for_each(|next| sentence += &format!(", next try at {}", zone.soon(*next, now)));
    Some(sentence)
}

/// What became of a file, and what to do about it.
pub fn file(file: &File) -> String {
    let length = |ms: u64| span(Duration::from_millis(ms));
    let Some(code) = file.code.as_deref() else {
        return match file.status.as_str() {
            "done" => format!("done: {} of speech in {}", length(file.speech_ms), length(file.duration_ms)),
            "silent" => format!("silent: no speech in {}", length(file.duration_ms)),
            "processing" if file.segments > 0 => format!("processing: {} of {} segments", file.done, file.segments),
            other => plain(other),
        };
    };
    let detail = file.detail.as_deref().map(plain).unwrap_or_default();
    let detail = if detail.is_empty() { String::new() } else { format!(": {}", detail.trim_end_matches('.')) };
    let advice = advice(code).map(|advice| format!("; {advice}")).unwrap_or_default();
    format!("{} ({}){detail}{advice}", plain(&file.status), plain(code))
}

/// What a user can do about a code of a file or a job.
pub fn advice(code: &str) -> Option<&'static str> {
    Some(match code {
        "invalid_audio" => "the file is no recording as its name says; no retry will help",
        "partly_decoded" => "the readable part is transcribed; keep the file",
        "digest_mismatch" | "staged_audio_missing" => "send the recording again",
        "transcription_refused" => "another speech engine may take it: `afterword retry`",
        "transcription_failed" | "worker_lost" | "internal" | "waited_too_long" | "storage_unavailable" => {
            "run it again with `afterword retry`"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_says_what_became_of_it_and_what_to_do() {
        let of = |json: serde_json::Value| file(&serde_json::from_value(json).unwrap());
        let done = serde_json::json!({"name": "a", "status": "done", "duration_ms": 60_000, "speech_ms": 41_200});
        assert_eq!(of(done), "done: 41 s of speech in 1 min");
        let failed = serde_json::json!({
            "name": "a", "status": "failed", "code": "invalid_audio", "detail": "There is no\u{1b}[2J frame."
        });
        let words = "failed (invalid_audio): There is no[2J frame; the file is no recording as its name says; no retry will help";
        assert_eq!(of(failed), words);
        let unknown = serde_json::json!({"name": "a", "status": "resting", "code": null});
        assert_eq!(of(unknown), "resting");
    }
}
