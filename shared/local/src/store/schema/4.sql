-- What a recording looks like, packed: 2,000 bytes that are read only when it is drawn. Beside the recordings, so that what
-- is read of them all the time does not grow.

CREATE TABLE recording_peaks (
    uid        TEXT NOT NULL,
    recording  BLOB NOT NULL,
    peaks      BLOB NOT NULL,
    PRIMARY KEY (uid, recording)
) STRICT;
