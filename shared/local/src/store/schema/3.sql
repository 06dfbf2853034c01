-- How many jobs there are of each status, for the operator's gauges: counting a million rows for each look would be
-- slow, and a number kept beside the table would go wrong. Triggers count in the transaction that changes a row.

CREATE TABLE job_counts (
    status  TEXT    NOT NULL PRIMARY KEY,
    jobs    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO job_counts SELECT status, count(*) FROM offline_sync_jobs GROUP BY status;

CREATE TRIGGER job_made AFTER INSERT ON offline_sync_jobs BEGIN
    INSERT INTO job_counts VALUES (NEW.status, 1) ON CONFLICT (status) DO UPDATE SET jobs = jobs + 1;
END;

CREATE TRIGGER job_moved AFTER UPDATE OF status ON offline_sync_jobs WHEN NEW.status <> OLD.status BEGIN
    UPDATE job_counts SET jobs = jobs - 1 WHERE status = OLD.status;
    INSERT INTO job_counts VALUES (NEW.status, 1) ON CONFLICT (status) DO UPDATE SET jobs = jobs + 1;
END;

CREATE TRIGGER job_forgotten AFTER DELETE ON offline_sync_jobs BEGIN
    UPDATE job_counts SET jobs = jobs - 1 WHERE status = OLD.status;
END;
