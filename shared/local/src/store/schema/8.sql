-- What queued jobs wait for, for the operator's gauges. Triggers count in the transaction that changes a row, as in 3.sql.

ALTER TABLE offline_sync_jobs ADD COLUMN waiting_for TEXT;
UPDATE offline_sync_jobs SET waiting_for = json_extract(document, '$.waiting_for')
    WHERE status = 'queued' AND json_valid(document)
    AND json_extract(document, '$.waiting_for') IN ('turn', 'engine', 'budget', 'storage');

CREATE TABLE waiting_counts (
    waiting_for  TEXT    NOT NULL PRIMARY KEY,
    jobs         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO waiting_counts
    SELECT waiting_for, count(*) FROM offline_sync_jobs WHERE waiting_for IS NOT NULL GROUP BY waiting_for;

CREATE TRIGGER waiting_job_made AFTER INSERT ON offline_sync_jobs WHEN NEW.waiting_for IS NOT NULL BEGIN
    INSERT INTO waiting_counts VALUES (NEW.waiting_for, 1) ON CONFLICT (waiting_for) DO UPDATE SET jobs = jobs + 1;
END;

CREATE TRIGGER job_waits AFTER UPDATE OF waiting_for ON offline_sync_jobs
    WHEN NEW.waiting_for IS NOT OLD.waiting_for AND NEW.waiting_for IS NOT NULL BEGIN
    INSERT INTO waiting_counts VALUES (NEW.waiting_for, 1) ON CONFLICT (waiting_for) DO UPDATE SET jobs = jobs + 1;
END;

CREATE TRIGGER job_waited AFTER UPDATE OF waiting_for ON offline_sync_jobs
    WHEN NEW.waiting_for IS NOT OLD.waiting_for AND OLD.waiting_for IS NOT NULL BEGIN
    UPDATE waiting_counts SET jobs = jobs - 1 WHERE waiting_for = OLD.waiting_for;
END;

CREATE TRIGGER waiting_job_forgotten AFTER DELETE ON offline_sync_jobs WHEN OLD.waiting_for IS NOT NULL BEGIN
    UPDATE waiting_counts SET jobs = jobs - 1 WHERE waiting_for = OLD.waiting_for;
END;

-- The oldest job that has not ended.
CREATE INDEX jobs_unfinished ON offline_sync_jobs (created_at, id) WHERE status IN ('queued', 'processing');
