-- How a recording was heard, and so how its plan is cut, packed: at most 48 KiB, read only by a delivery that cuts what it
-- did not plan itself. A recording without a row was planned before, at the one gain in its document.

CREATE TABLE recording_levels (
    uid        TEXT NOT NULL,
    recording  BLOB NOT NULL,
    levels     BLOB NOT NULL,
    PRIMARY KEY (uid, recording)
) STRICT;
