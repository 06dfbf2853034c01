-- How far listening to a job's files has come: at most 64 KiB for a file, written when a delivery ends and gone with the
-- job's end. Beside the jobs, so that what is read of them all the time does not grow.

CREATE TABLE checkpoints (
    job    BLOB    NOT NULL,
    file   INTEGER NOT NULL,
    bytes  BLOB    NOT NULL,
    PRIMARY KEY (job, file)
) STRICT;
