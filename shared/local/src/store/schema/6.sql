-- What is due, by status: the sweep looks for jobs that a clock left behind that ran ahead.
CREATE INDEX jobs_due_by_status ON offline_sync_jobs (status, due_at, id) WHERE due_at IS NOT NULL;
