//! The keys of limits on uploads, on waiting clients and on stored audio.

use super::{DAY, GIB, MIB, TIB, YEAR};
use crate::key::{Key, NO_LIMIT, Unit};

pub const LIMITS: &[Key] = &[
    Key::number("limits.enqueued_per_user", 4, 1..=100_000, |c, n| c.settings.rules.enqueued_per_user = n as u32)
        .comment("A user has at most this many jobs on their way at once. Further ones stand in line."),
    Key::bytes("limits.max_file_bytes", 200 * MIB, 1..=TIB, |c, n| c.settings.upload.max_file_bytes = n)
        .comment("The largest file of a batch."),
    Key::bytes("limits.max_batch_bytes", 256 * MIB, 1..=TIB, |c, n| c.settings.upload.max_batch_bytes = n)
        .comment("The largest batch: all files of one request together."),
    Key::number("limits.max_files", 20, 1..=1000, |c, n| c.settings.upload.max_files = n as usize)
        .comment("One upload has at most this many files."),
    Key::bytes("limits.resumable_max_file_bytes", 2 * GIB, 1..=TIB, |c, n| {
        c.settings.upload.resumable_max_file_bytes = n;
    })
    .comment("The largest file of a resumable upload."),
    Key::bytes("limits.resumable_max_batch_bytes", 4 * GIB, 1..=TIB, |c, n| {
        c.settings.upload.resumable_max_batch_bytes = n;
    })
    .comment("The largest resumable upload: all of its files together."),
    Key::number("limits.open_sessions_per_user", 100, 1..=1000, |c, n| {
        c.settings.rules.open_sessions_per_user = n as u32;
    })
    .comment("A user has at most this many open resumable uploads. One more ends the oldest."),
    Key::seconds("limits.max_future_seconds", 300, 0..=YEAR, |c, time| c.settings.upload.max_future = time)
        .comment("A recording may begin this far ahead of the server's clock."),
    Key::seconds("limits.recovery_window_seconds", 0, 0..=100 * YEAR, |c, time| {
        c.settings.upload.recovery_window = (!time.is_zero()).then_some(time);
    })
    .comment("Recordings older than this are refused. With 0, a recording may have any age."),
    Key::seconds("limits.inline_audio_seconds", 600, 0..=DAY, |c, time| c.settings.upload.inline_audio = time).comment(
        "For shipped clients (`/v2/sync-local-files`): a batch with at most this much audio is searched for speech before it \
         is answered. With 0, no batch is.",
    ),
    Key::seconds("limits.inline_search_seconds", 10, 1..=60, |c, time| c.settings.upload.inline_search = time)
        .comment("The longest time that this search may take."),
    // Clients that wait for the response give up after a minute.
    Key::seconds("limits.synchronous_wait_seconds", 55, 1..=55, |c, time| c.settings.upload.synchronous_wait = time)
        .comment("The oldest clients (`/v1/sync-local-files`) wait for the end of their job, but at most this long."),
    Key::number("limits.synchronous_waits", 64, 0..=1_000_000, |c, n| c.settings.upload.synchronous_waits = n as usize)
        .comment("At most this many of these clients wait at once."),
    Key::seconds("limits.event_stream_seconds", 300, 1..=DAY, |c, time| c.settings.streams.max_duration = time)
        .comment("A stream of events ends after this time, and its client connects again."),
    Key::number("limits.event_streams_per_user", 4, 1..=1000, |c, n| c.settings.streams.per_user = n as usize)
        .comment("A user has at most this many streams. One more ends the oldest."),
    Key::number("limits.event_streams", 256, 0..=1_000_000, |c, n| c.settings.streams.total = n as usize).comment(
        "All users together have at most this many streams. A further one ends when it has sent what is known.",
    ),
];

pub const BLOBS: &[Key] = &[
    Key::time("blobs.keep_days", 0, 0..=36_600, Unit::Days, |c, time| c.settings.rules.keep_audio = time).comment(
        "The audio of finished jobs is kept for this long, for people who want to listen to what was transcribed. With 0, \
         it is deleted at once.",
    ),
    Key::bytes("blobs.reserve_bytes", 512 * MIB, 0..=NO_LIMIT, |c, n| c.blobs.reserve_bytes = n)
        .comment("Uploads are refused if less than this is free on the disk."),
];
