//! The keys of jobs and of what brings them forward: the sweep, the worker, the tasks and their queue.

use super::{DAY, HOUR, MINUTE, YEAR};
use crate::key::Key;

pub const JOBS: &[Key] = &[
    Key::seconds("jobs.lease_seconds", MINUTE, 1..=HOUR, |c, time| c.settings.rules.lease = time)
        .comment("A worker that gives no sign of life for twice this long loses its job to another."),
    Key::number("jobs.max_attempts", 5, 1..=1000, |c, n| c.settings.rules.max_attempts = n as u32)
        .comment("A job fails when this many of its deliveries have failed."),
    Key::seconds("jobs.backoff_min_seconds", 10, 0..=DAY, |c, time| c.settings.rules.backoff_min = time)
        .comment("The pause before a failed delivery is repeated. It doubles with each further failure."),
    Key::seconds("jobs.backoff_max_seconds", 30 * MINUTE, 0..=DAY, |c, time| c.settings.rules.backoff_max = time)
        .comment("The longest pause before a failed delivery is repeated."),
    Key::seconds("jobs.max_wait_seconds", 7 * DAY, 1..=YEAR, |c, time| c.settings.rules.max_wait = time)
        .comment("A job waits at most this long for a speech engine or a budget."),
    Key::seconds("jobs.retention_seconds", 7 * DAY, 1..=YEAR, |c, time| c.settings.rules.retention = time)
        .comment("Finished jobs stay readable for this long, and failed ones keep their audio for a retry."),
    Key::seconds("jobs.expire_after_cleanup_seconds", DAY, 0..=YEAR, |c, time| {
        c.settings.rules.expire_after_cleanup = time;
    })
    .comment("A job stays for this long after its clean-up."),
    Key::seconds("jobs.upload_session_seconds", 7 * DAY, 1..=YEAR, |c, time| c.settings.rules.upload_session = time)
        .comment("A resumable upload that is not completed in this time expires."),
];

pub const SWEEP: &[Key] = &[
    Key::seconds("sweep.interval_seconds", MINUTE, 1..=DAY, |c, time| c.sweep.interval = time)
        .comment("The sweep looks this often for jobs that are due."),
    Key::number("sweep.limit", 2000, 1..=1_000_000, |c, n| c.sweep.limit = n as usize)
        .comment("One sweep looks at no more due jobs than this."),
    Key::seconds("sweep.orphan_blob_seconds", DAY, 0..=YEAR, |c, time| c.sweep.orphan_age = time)
        .comment("Staged audio that no job needs is deleted at this age."),
];

pub const PROCESS: &[Key] = &[
    // Each job holds threads of the blocking pool, which has 512.
    Key::number("process.max_jobs", 4, 1..=128, |c, n| c.settings.worker.max_jobs = n as usize).comment(
        "An instance works on this many jobs at once. One user holds at most all but one of these permits, and at least one.",
    ),
    Key::seconds("process.handler_deadline_seconds", 1500, 1..=DAY, |c, time| {
        c.settings.worker.handler_deadline = time;
    })
    .comment("A delivery puts its job back after this time."),
];

pub const TASKS: &[Key] = &[
    Key::secret("tasks.secret", |c, secret| c.tasks.secret = Some(secret))
        .comment(
            "The secret that the queue sends to the worker: at least 32 bytes. The server for one machine makes its own if \
             none is set.",
        )
        .example("the output of: openssl rand -hex 32"),
    Key::secret("tasks.previous_secret", |c, secret| c.tasks.previous_secret = Some(secret))
        .comment("The secret before, which is also accepted while secrets are rotated.")
        .example("the value that tasks.secret had before"),
];

pub const QUEUE: &[Key] = &[
    Key::number("queue.max_attempts", 100, 1..=1_000_000, |c, n| c.queue.max_attempts = n as u32)
        .comment("A task is given up after this many deliveries. The job is not: the sweep makes another task for it."),
    Key::seconds("queue.min_backoff_seconds", 5, 1..=DAY, |c, time| c.queue.min_backoff = time)
        .comment("The pause before a failed task is delivered again. It doubles with each further failure."),
    Key::seconds("queue.max_backoff_seconds", 5 * MINUTE, 1..=DAY, |c, time| c.queue.max_backoff = time)
        .comment("The longest pause before a failed task is delivered again."),
    Key::number("queue.max_doublings", 5, 0..=u32::MAX as u64, |c, n| c.queue.max_doublings = n as u32)
        .comment("The pause doubles this often, and then grows by equal steps."),
    Key::seconds("queue.dispatch_deadline_seconds", 30 * MINUTE, 1..=DAY, |c, time| c.queue.dispatch_deadline = time)
        .comment("A delivery that is not answered within this time has failed."),
    Key::number("queue.max_per_second", 2000, 1..=1_000_000, |c, n| c.queue.max_per_second = n as u32)
        .comment("The queue begins at most this many deliveries a second."),
];
