//! The numbers that the rules turn on. Defaults are what the design decided; configuration may change them within reason.

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// A conversation ends where nothing was said for this long: 119 s joins, 120 s splits.
pub const CONVERSATION_GAP: Duration = Duration::from_secs(120);

#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// How long a claim holds without a sign of life.
    pub lease: Duration,
    /// A lease is renewed when this part of it has passed.
    pub renew_after: Duration,
    /// A new or put-back job whose task was not marked as made is looked at again after this.
    pub enqueue_grace: Duration,
    /// A task that should have run is looked for after this.
    pub task_grace: Duration,
    /// A finished job whose worker did not report its effects is looked at again after this.
    pub effects_grace: Duration,
    pub max_attempts: u32,
    pub backoff_min: Duration,
    pub backoff_max: Duration,
    /// The longest wait for an engine or a budget.
    pub max_wait: Duration,
    /// How long finished jobs stay readable, and failed ones keep their audio for a retry.
    pub retention: Duration,
    /// A job stays this long after its clean-up, so that a late reader still finds its end.
    pub expire_after_cleanup: Duration,
    /// Keep the audio of finished jobs this long. Zero: it goes at once.
    pub keep_audio: Duration,
    /// Jobs of one user that may be with the queue or a worker at once; the rest wait their turn.
    pub enqueued_per_user: u32,
    /// An upload session that is not completed in this time expires.
    pub upload_session: Duration,
    /// Upload sessions of one user that may be open at once; one more ends the oldest.
    pub open_sessions_per_user: u32,
    /// Pushes are given up this long after the job's end.
    pub push_give_up: Duration,
    /// The age at which the bucket's own lifecycle deletes staged audio.
    pub audio_lifecycle: Duration,
    /// A job gives up this long before the lifecycle would take its audio.
    pub lifecycle_margin: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            lease: MINUTE,
            renew_after: MINUTE / 3,
            enqueue_grace: MINUTE / 2,
            task_grace: 10 * MINUTE,
            effects_grace: MINUTE / 2,
            max_attempts: 5,
            backoff_min: Duration::from_secs(10),
            backoff_max: 30 * MINUTE,
            max_wait: 7 * DAY,
            retention: 7 * DAY,
            expire_after_cleanup: DAY,
            keep_audio: Duration::ZERO,
            enqueued_per_user: 4,
            upload_session: 7 * DAY,
            open_sessions_per_user: 100,
            push_give_up: 24 * HOUR,
            audio_lifecycle: 30 * DAY,
            lifecycle_margin: 2 * DAY,
        }
    }
}

impl Rules {
    /// The relations between the numbers that correctness or money rest on; the first that does not hold.
    pub fn check(&self) -> Result<(), &'static str> {
        let must = [
            (self.renew_after < self.lease / 2, "a lease must be renewed before half of it has passed"),
            (self.max_attempts >= 1, "jobs.max_attempts must be at least 1"),
            (self.enqueued_per_user >= 1, "limits.enqueued_per_user must be at least 1"),
            (
                self.backoff_min <= self.backoff_max,
                "jobs.backoff_min_seconds must not be above jobs.backoff_max_seconds",
            ),
            (self.open_sessions_per_user >= 1, "limits.open_sessions_per_user must be at least 1"),
            (!self.upload_session.is_zero(), "jobs.upload_session_seconds must be at least 1"),
            (
                self.audio_lifecycle > self.upload_session + self.max_wait + self.retention + self.lifecycle_margin,
                "the storage lifecycle must be longer than an upload session, jobs.max_wait and the retention together",
            ),
        ];
        must.into_iter().find(|(holds, _)| !holds).map_or(Ok(()), |(_, why)| Err(why))
    }
}
