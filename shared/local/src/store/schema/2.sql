-- A deleted conversation's texts are removed afterwards: until then it is due.
ALTER TABLE conversations ADD COLUMN due_at INTEGER;
CREATE INDEX conversations_due ON conversations (due_at, uid, id) WHERE due_at IS NOT NULL;

-- What changed since: a column of its own, read out of the documents that are there already. One that is damaged never
-- changes any more.
ALTER TABLE offline_sync_jobs ADD COLUMN updated_at INTEGER NOT NULL DEFAULT 0;
UPDATE offline_sync_jobs SET updated_at = coalesce(
    unixepoch(substr(json_extract(document, '$.updated_at'), 1, 19)) * 1000
    + CAST(substr(json_extract(document, '$.updated_at'), 21, 3) AS INTEGER), 0)
    WHERE json_valid(document);
CREATE INDEX jobs_by_change ON offline_sync_jobs (uid, updated_at, id);
