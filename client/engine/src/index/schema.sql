-- The index of a device. A change here is a new version in schema.rs.
CREATE TABLE chunk (
    id INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    name TEXT NOT NULL,
    place TEXT NOT NULL CHECK (place IN ('own', 'foreign', 'deleted')),
    path TEXT NOT NULL,
    captured_at INTEGER NOT NULL,
    sends_captured_at INTEGER NOT NULL,
    codec TEXT, rate INTEGER, channels INTEGER, frame_samples INTEGER,
    duration_ms INTEGER NOT NULL,
    frames INTEGER NOT NULL,
    synced_prefix INTEGER NOT NULL,
    device TEXT NOT NULL,
    session TEXT NOT NULL,
    conversation_id TEXT,
    bytes INTEGER NOT NULL,
    sha256 TEXT,
    crc32c INTEGER NOT NULL,
    state TEXT NOT NULL,
    retry_count INTEGER NOT NULL,
    service_retries INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_at INTEGER,
    error_code TEXT, error_blame TEXT, error_detail TEXT,
    job_id TEXT,
    uploaded_at INTEGER,
    confirmed_at INTEGER,
    batch_limit INTEGER,
    was_missing INTEGER NOT NULL,
    resumable INTEGER NOT NULL,
    losses INTEGER NOT NULL DEFAULT 0
);
-- Names of own chunks are unique; files of the user may share one and differ in content.
CREATE INDEX chunk_name ON chunk (owner, name);
-- What is uploaded next: newest first.
CREATE INDEX chunk_queue ON chunk (owner, captured_at, id) WHERE state = 'pending';
-- When something is due.
CREATE INDEX chunk_due ON chunk (owner, next_attempt_at) WHERE state = 'pending' AND retry_count < 3;
-- Times that a wrong clock may have written.
CREATE INDEX chunk_late ON chunk (next_attempt_at) WHERE state = 'pending' AND next_attempt_at IS NOT NULL;
-- What is recovered at a start.
CREATE INDEX chunk_recording ON chunk (id) WHERE state = 'recording';
CREATE INDEX chunk_session ON chunk (owner, session, captured_at, id) WHERE state IN ('recording', 'pending');
CREATE INDEX chunk_job ON chunk (job_id) WHERE state = 'uploaded';
-- What housekeeping deletes: oldest first.
CREATE INDEX chunk_synced ON chunk (confirmed_at) WHERE state = 'synced' AND place = 'own';
-- Lists for people.
CREATE INDEX chunk_list ON chunk (owner, state, captured_at, id);
CREATE INDEX chunk_time ON chunk (owner, captured_at, id);

-- Sums, so that a status takes no longer with a million chunks.
CREATE TABLE tally (
    owner TEXT NOT NULL,
    state TEXT NOT NULL,
    count INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (owner, state)
) WITHOUT ROWID;
CREATE TRIGGER chunk_added AFTER INSERT ON chunk BEGIN
    INSERT INTO tally VALUES (NEW.owner, NEW.state, 1, NEW.duration_ms, NEW.bytes)
    ON CONFLICT DO UPDATE SET count = count + 1, duration_ms = duration_ms + NEW.duration_ms, bytes = bytes + NEW.bytes;
END;
CREATE TRIGGER chunk_removed AFTER DELETE ON chunk BEGIN
    UPDATE tally SET count = count - 1, duration_ms = duration_ms - OLD.duration_ms, bytes = bytes - OLD.bytes
    WHERE owner = OLD.owner AND state = OLD.state;
END;
CREATE TRIGGER chunk_changed AFTER UPDATE OF state, duration_ms, bytes ON chunk BEGIN
    UPDATE tally SET count = count - 1, duration_ms = duration_ms - OLD.duration_ms, bytes = bytes - OLD.bytes
    WHERE owner = OLD.owner AND state = OLD.state;
    INSERT INTO tally VALUES (NEW.owner, NEW.state, 1, NEW.duration_ms, NEW.bytes)
    ON CONFLICT DO UPDATE SET count = count + 1, duration_ms = duration_ms + NEW.duration_ms, bytes = bytes + NEW.bytes;
END;

-- The jobs that have chunks of this device.
CREATE TABLE job (
    job_id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    step INTEGER NOT NULL,
    next_poll_at INTEGER,
    is_retry INTEGER NOT NULL,
    status TEXT NOT NULL,
    processed INTEGER NOT NULL,
    total INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX job_due ON job (owner, next_poll_at);

-- Finished jobs until the app acknowledges them, and for 30 days after that.
CREATE TABLE result (
    owner TEXT NOT NULL,
    job_id TEXT NOT NULL,
    completed_at INTEGER NOT NULL,
    body TEXT NOT NULL,
    handled_at INTEGER,
    PRIMARY KEY (owner, job_id, completed_at)
) WITHOUT ROWID;
CREATE INDEX result_open ON result (owner, completed_at) WHERE handled_at IS NULL;
CREATE INDEX result_handled ON result (handled_at) WHERE handled_at IS NOT NULL;

-- Sessions whose upload waits for the event "conversation created" (R14). A session is held once.
CREATE TABLE hold (
    owner TEXT NOT NULL,
    session TEXT NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (owner, session)
) WITHOUT ROWID;
CREATE INDEX hold_until ON hold (until);

CREATE TABLE cooldown (
    owner TEXT NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER NOT NULL,
    PRIMARY KEY (owner, reason)
) WITHOUT ROWID;

-- Push tokens to be registered or removed (R40).
CREATE TABLE push_task (
    owner TEXT NOT NULL,
    device_id TEXT NOT NULL,
    token TEXT NOT NULL,
    platform TEXT NOT NULL,
    -- 'register', 'registered' or 'remove'
    kind TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_attempt_at INTEGER,
    PRIMARY KEY (owner, device_id)
) WITHOUT ROWID;

CREATE TABLE setting (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
