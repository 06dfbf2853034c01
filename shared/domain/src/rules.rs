//! The durations and limits that the rules use. Configuration may change them within the
//! bounds that [`Rules::check`] allows; its defaults are in `docs/default.toml`.

use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

/// The silence that ends a conversation: a pause of 119 s joins, one of 120 s splits.
pub const CONVERSATION_GAP: Duration = Duration::from_secs(120);

#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// How long a claim lasts without a write of its worker.
    pub lease: Duration,
    /// A worker renews its lease after this long.
    pub renew_after: Duration,
    /// A new or put-back job whose task was not marked as created is looked at again after this long.
    pub enqueue_grace: Duration,
    /// The queue is asked about a task that has not run this long after its time.
    pub task_grace: Duration,
    /// A finished job whose effects were not reported as done is looked at again after this long.
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
    /// How long the audio of finished jobs is kept. Zero means that it is deleted at once.
    pub keep_audio: Duration,
    /// The slots of a user: how many of the user's jobs may be with the queue or a worker at once. The rest wait.
    pub enqueued_per_user: u32,
    /// An upload session that is not completed in this time expires.
    pub upload_session: Duration,
    /// How many upload sessions of a user may be open at once. One more ends the oldest.
    pub open_sessions_per_user: u32,
    /// A push is given up this long after the job's end.
    pub push_give_up: Duration,
    /// The age at which the bucket's own lifecycle deletes staged audio.
    pub audio_lifecycle: Duration,
    /// A job that waits for a slot gives up this long before the lifecycle deletes its audio.
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
    /// How long a job stays with its worker after the end of the lease, because the clocks of two instances may differ. A
    /// live worker renews its lease long before its end, so only a clock that is ahead by more than most of a lease and
    /// this margin takes its job away.
    pub fn takeover_margin(&self) -> Duration {
        self.lease
    }

    /// How long after the last sign of life of its worker another one may take a job over.
    pub fn takeover_after(&self) -> Duration {
        self.lease + self.takeover_margin()
    }

    /// How many more slots a user has who holds this many.
    pub fn free_slots(&self, held: u32) -> u32 {
        self.enqueued_per_user.saturating_sub(held)
    }

    /// Checks the relations between the values that correctness or cost depend on, and reports the first that does not
    /// hold.
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
