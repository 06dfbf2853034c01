-- A task that has yet to be delivered has `due`; one that ran or was given up has `ended` and keeps its name taken.
-- Ids are never used twice (AUTOINCREMENT): memory recognises by them what it has seen.
CREATE TABLE tasks (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  due INTEGER,
  ended INTEGER,
  retries INTEGER NOT NULL DEFAULT 0,
  answers INTEGER NOT NULL DEFAULT 0,
  body BLOB NOT NULL,
  traceparent TEXT,
  CHECK ((due IS NULL) <> (ended IS NULL))
) STRICT;
CREATE INDEX tasks_due ON tasks (due, id) WHERE due IS NOT NULL;
CREATE INDEX tasks_ended ON tasks (ended) WHERE ended IS NOT NULL;
