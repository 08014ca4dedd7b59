-- What goes on spending: one row per subscription. `terms` is JSON, in millionths and microseconds: what each
-- stretch of its time costs, up to when windows were asked for their shares, what they hold of its future.
CREATE TABLE commitment (
    request      BLOB    NOT NULL,
    number       INTEGER NOT NULL CHECK (number >= 0),
    version      INTEGER NOT NULL CHECK (version > 0),
    upstream     TEXT    NOT NULL,
    subscription TEXT,
    course       TEXT    NOT NULL CHECK (course IN ('asked', 'running', 'suspended', 'over')),
    terms        TEXT    NOT NULL,
    PRIMARY KEY (request, number)
) STRICT, WITHOUT ROWID;

CREATE INDEX commitment_open ON commitment (request, number) WHERE course <> 'over';
