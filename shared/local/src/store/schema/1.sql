-- The tables of `docs/ARCHITECTURE.md`. `document` is the truth; the columns beside it are what queries look at.
-- Moments are milliseconds since 1970, UUIDs and hashes are bytes. The one writer stands in for Firestore's timelines.

CREATE TABLE offline_sync_jobs (
    id                  BLOB    NOT NULL PRIMARY KEY,
    uid                 TEXT    NOT NULL,
    status              TEXT    NOT NULL,
    -- `held` on its way to a worker or there, `waiting` for that, else NULL.
    turn                TEXT,
    created_at          INTEGER NOT NULL,
    oldest_captured_at  INTEGER NOT NULL,
    due_at              INTEGER,
    expires_at          INTEGER,
    document            TEXT    NOT NULL
) STRICT;

-- A user's lists, newest first. `expires_at` stands in it so that a list reads no row that it leaves out.
CREATE INDEX jobs_by_status ON offline_sync_jobs (uid, status, created_at, id, expires_at);
-- Turns: how many a user holds, and who comes next.
CREATE INDEX jobs_by_turn ON offline_sync_jobs (turn, uid, oldest_captured_at, created_at, id) WHERE turn IS NOT NULL;
-- The sweep.
CREATE INDEX jobs_due ON offline_sync_jobs (due_at, id) WHERE due_at IS NOT NULL;

CREATE TABLE recordings (
    uid         TEXT NOT NULL,
    id          BLOB NOT NULL,
    document    TEXT NOT NULL,
    -- Packed: a day of talk is 40 KB. A mark does not change its length, so that SQLite overwrites only the page it is on.
    plan        BLOB,
    PRIMARY KEY (uid, id)
) STRICT;

CREATE TABLE lines (
    uid           TEXT    NOT NULL,
    recording     BLOB    NOT NULL,
    start_ms      INTEGER NOT NULL,
    stream        TEXT    NOT NULL,
    starts_at     INTEGER NOT NULL,
    -- How a reader finds it: `timed` or `attached`; NULL before it is placed and after its text is gone.
    place         TEXT,
    conversation  BLOB,
    document      TEXT    NOT NULL,
    PRIMARY KEY (uid, recording, start_ms)
) STRICT;

-- A merge moves no line: the lines of a conversation are a stretch of its stream's time.
CREATE INDEX lines_timed ON lines (uid, stream, starts_at, recording, start_ms, conversation) WHERE place = 'timed';
CREATE INDEX lines_attached ON lines (uid, conversation, starts_at, recording, start_ms) WHERE place = 'attached';

CREATE TABLE conversations (
    uid          TEXT    NOT NULL,
    id           BLOB    NOT NULL,
    -- `live`, `merged` or `deleted`.
    state        TEXT    NOT NULL,
    stream       TEXT    NOT NULL,
    started_at   INTEGER NOT NULL,
    timed_start  INTEGER,
    timed_end    INTEGER,
    merged_into  BLOB,
    document     TEXT    NOT NULL,
    PRIMARY KEY (uid, id)
) STRICT;

CREATE INDEX conversations_by_start ON conversations (uid, started_at, id) WHERE state = 'live';
-- Live ones of a stream are disjoint in time: in order of start they are in order of end as well.
CREATE INDEX conversations_by_time ON conversations (uid, stream, timed_start)
    WHERE state = 'live' AND timed_start IS NOT NULL;

CREATE TABLE usage_hours (
    uid             TEXT    NOT NULL,
    hour            INTEGER NOT NULL,
    transcribed_ms  INTEGER NOT NULL,
    words           INTEGER NOT NULL,
    segments        INTEGER NOT NULL,
    PRIMARY KEY (uid, hour)
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    uid       TEXT    NOT NULL,
    id        TEXT    NOT NULL,
    used_at   INTEGER NOT NULL,
    token     TEXT    NOT NULL UNIQUE,
    document  TEXT    NOT NULL,
    PRIMARY KEY (uid, id)
) STRICT, WITHOUT ROWID;
