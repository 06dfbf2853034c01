//! What is shown: the state of everything, and of each recording (R37).

use std::time::Duration;

use domain::Timestamp;
use serde::Serialize;

use crate::chunk::{Chunk, LastError, State};
use crate::coordinator::Blocked;
use crate::index::{JobRow, Sum};
use crate::rules::backoff::BUDGET;
use crate::rules::cooldown::Cooldown;

/// A cooldown and the time that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CooldownStatus {
    /// The cooldown.
    #[serde(flatten)]
    pub cooldown: Cooldown,
    /// The whole seconds until it ends, rounded up.
    pub seconds_left: u64,
}

/// What the account has on this device.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// The account that is signed in.
    pub account: Option<String>,
    /// Seconds of audio that are not durable yet.
    pub in_flight_seconds: f64,
    /// Seconds of audio that wait to be uploaded.
    pub pending_seconds: f64,
    /// Recordings that wait to be uploaded.
    pub queue: u64,
    /// When the oldest of them begins.
    pub oldest: Option<Timestamp>,
    /// Recordings by state.
    pub counts: Vec<(State, u64)>,
    /// The cooldown that counts, and the time that is left.
    pub cooldown: Option<CooldownStatus>,
    /// Why nothing is uploaded at the moment.
    pub blocked: Option<Blocked>,
    /// Whether a pass is running.
    pub is_busy: bool,
}

/// The numbers of which a status is made.
pub(crate) struct Sums {
    pub in_flight: Duration,
    pub sums: Vec<(State, Sum)>,
    pub oldest: Option<Timestamp>,
}

pub(crate) fn seconds_left(now: Timestamp, until: Timestamp) -> u64 {
    let left = now.until(until);
    left.as_secs() + u64::from(left.subsec_nanos() > 0)
}

pub(crate) fn status(
    account: Option<String>,
    sums: Sums,
    cooldown: Option<Cooldown>,
    blocked: Option<Blocked>,
    is_busy: bool,
    now: Timestamp,
) -> Status {
    let Sums { in_flight, sums, oldest } = sums;
    let pending = sums.iter().find(|(state, _)| *state == State::Pending).map(|(_, sum)| *sum).unwrap_or_default();
    Status {
        account,
        in_flight_seconds: in_flight.as_secs_f64(),
        pending_seconds: Duration::from_millis(pending.duration_ms).as_secs_f64(),
        queue: pending.count,
        oldest,
        counts: sums.into_iter().map(|(state, sum)| (state, sum.count)).collect(),
        cooldown: cooldown.map(|cooldown| CooldownStatus { cooldown, seconds_left: seconds_left(now, cooldown.until) }),
        blocked,
        is_busy,
    }
}

/// What a recording is shown as.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Shown {
    /// It is being recorded.
    Recording,
    /// It waits for its turn, or for what blocks all uploads.
    Waiting {
        /// What all uploads wait for.
        blocked: Option<Blocked>,
    },
    /// Its bytes are on their way.
    Uploading {
        /// How much of it the server has.
        percent: u8,
    },
    /// The server works on it.
    Processing {
        /// The segments that are done.
        done: u64,
        /// All segments that are known.
        total: u64,
    },
    /// Nothing is left to do.
    Synced,
    /// It failed, and is tried again.
    Retrying {
        /// Seconds until the next attempt.
        seconds: u64,
        /// Why it failed.
        error: LastError,
    },
    /// It failed, and is not tried again by itself. The user can.
    Failed {
        /// Why it failed.
        error: LastError,
    },
    /// It is transcribed in part; the file is kept.
    Kept {
        /// What is missing.
        error: Option<LastError>,
    },
    /// The server takes no recording of this age.
    TooOld,
    /// Nothing in it can be decoded.
    Unreadable,
    /// Its file is gone.
    Missing,
    /// The server never takes it.
    Rejected {
        /// Why.
        error: Option<LastError>,
    },
    /// Its job was cancelled, or its language is not spoken there.
    Held {
        /// Why.
        error: Option<LastError>,
    },
}

/// What a chunk is shown as.
pub(crate) fn show(
    chunk: &Chunk,
    job: Option<&JobRow>,
    progress: Option<(u64, u64)>,
    blocked: Option<Blocked>,
    now: Timestamp,
) -> Shown {
    let row = &chunk.transfer;
    let error = || row.last_error.clone();
    match row.state {
        State::Recording => Shown::Recording,
        State::Pending => match (progress, error(), row.next_attempt_at) {
            (Some((sent, all)), ..) => Shown::Uploading { percent: percent(sent, all) },
            (None, Some(error), _) if row.retry_count >= BUDGET => Shown::Failed { error },
            (None, Some(error), Some(at)) if !now.has_reached(at) => {
                Shown::Retrying { seconds: seconds_left(now, at), error }
            }
            _ => Shown::Waiting { blocked },
        },
        State::Uploaded => match (job, error()) {
            (Some(JobRow { is_retry: true, next_poll_at: Some(at), .. }), Some(error)) => {
                Shown::Retrying { seconds: seconds_left(now, *at), error }
            }
            (Some(job), _) => Shown::Processing { done: job.processed, total: job.total },
            (None, _) => Shown::Processing { done: 0, total: 0 },
        },
        State::Synced => Shown::Synced,
        State::Kept => Shown::Kept { error: error() },
        State::Missing => Shown::Missing,
        State::TooOld => Shown::TooOld,
        State::Rejected => Shown::Rejected { error: error() },
        State::Unreadable => Shown::Unreadable,
        State::Held => Shown::Held { error: error() },
    }
}

fn percent(sent: u64, all: u64) -> u8 {
    let percent = u128::from(sent) * 100 / u128::from(all.max(1));
    u8::try_from(percent.min(100)).unwrap_or(100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::cooldown::Reason;
    use crate::testing::chunk;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    #[test]
    fn r37_each_recording_is_shown_as_what_it_is() {
        let error = LastError::new("transcription_failed", Some(domain::Blame::Service), "d");
        let job = |is_retry| JobRow {
            job_id: "6f0c0000-0000-4000-8000-000000000000".parse().unwrap(),
            owner: chunk(1).owner,
            step: 0,
            next_poll_at: Some(NOW + Duration::from_millis(1_001)),
            is_retry,
            status: "processing".to_owned(),
            processed: 3,
            total: 8,
        };
        let blocked = Some(Blocked::Paused);
        let shown = |change: &dyn Fn(&mut Chunk), job: Option<&JobRow>, progress| {
            let mut one = chunk(1);
            change(&mut one);
            show(&one, job, progress, blocked, NOW)
        };
        let state = |state: State| move |one: &mut Chunk| one.transfer.state = state;
        assert_eq!(shown(&|_| (), None, None), Shown::Waiting { blocked });
        assert_eq!(shown(&|_| (), None, Some((1, 3))), Shown::Uploading { percent: 33 });
        assert_eq!(shown(&|_| (), None, Some((5, 0))), Shown::Uploading { percent: 100 });
        let uploaded = |one: &mut Chunk| {
            one.transfer.state = State::Uploaded;
            one.transfer.last_error = Some(error.clone());
        };
        assert_eq!(shown(&state(State::Uploaded), Some(&job(false)), None), Shown::Processing { done: 3, total: 8 });
        assert_eq!(shown(&uploaded, Some(&job(true)), None), Shown::Retrying { seconds: 2, error: error.clone() });
        let failed = |count: u32, wait: u64| {
            let error = error.clone();
            move |one: &mut Chunk| {
                one.transfer.retry_count = count;
                one.transfer.next_attempt_at = Some(NOW + Duration::from_secs(wait));
                one.transfer.last_error = Some(error.clone());
            }
        };
        assert_eq!(shown(&failed(2, 9), None, None), Shown::Retrying { seconds: 9, error: error.clone() });
        assert_eq!(shown(&failed(2, 0), None, None), Shown::Waiting { blocked });
        assert_eq!(shown(&failed(3, 9), None, None), Shown::Failed { error: error.clone() });
        for (given, expected) in [
            (State::Recording, Shown::Recording),
            (State::Synced, Shown::Synced),
            (State::TooOld, Shown::TooOld),
            (State::Unreadable, Shown::Unreadable),
            (State::Missing, Shown::Missing),
            (State::Kept, Shown::Kept { error: None }),
            (State::Rejected, Shown::Rejected { error: None }),
            (State::Held, Shown::Held { error: None }),
        ] {
            assert_eq!(shown(&state(given), None, None), expected);
        }
    }

    #[test]
    fn r28_status_shows_the_reason_and_the_time_that_is_left() {
        let cooldown = Cooldown { reason: Reason::FairUse, since: NOW, until: NOW + Duration::from_millis(59_001) };
        let sums = Sums {
            in_flight: Duration::from_millis(500),
            sums: vec![(State::Pending, Sum { count: 2, duration_ms: 61_000, bytes: 9 })],
            oldest: Some(NOW),
        };
        let blocked = Some(Blocked::Cooldown { reason: Reason::FairUse, until: cooldown.until });
        let shown = status(Some("anna".to_owned()), sums, Some(cooldown), blocked, false, NOW);
        assert_eq!(shown.cooldown.unwrap().seconds_left, 60);
        assert_eq!((shown.queue, shown.pending_seconds, shown.in_flight_seconds), (2, 61.0, 0.5));
        let json = serde_json::to_value(&shown).unwrap();
        assert_eq!(json["cooldown"]["reason"], "fair_use");
        assert_eq!(json["blocked"]["why"], "cooldown");
    }
}
