-- The books. Amounts are whole millionths of the unit, times are microseconds since 1970.

-- One row per budget, partition, unit and window start. The four sums can be derived from `entry`.
CREATE TABLE account (
    id        INTEGER PRIMARY KEY,
    budget    TEXT    NOT NULL,
    partition TEXT    NOT NULL,
    unit      TEXT    NOT NULL,
    starts_at INTEGER NOT NULL,
    ends_at   INTEGER,
    settled   INTEGER NOT NULL CHECK (settled >= 0),
    overrun   INTEGER NOT NULL CHECK (overrun >= 0),
    unknown   INTEGER NOT NULL CHECK (unknown >= 0),
    held      INTEGER NOT NULL CHECK (held >= 0),
    UNIQUE (budget, partition, unit, starts_at)
) STRICT;

-- One row per request that reserved. `predicted` and `charged` are JSON, {"pu": 26500000}.
CREATE TABLE reservation (
    id          BLOB    PRIMARY KEY,
    team        TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    api         TEXT    NOT NULL,
    product     TEXT,
    tag         TEXT,
    predicted   TEXT    NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('held', 'settled', 'voided', 'unknown', 'reconciled')),
    charged     TEXT,
    source      TEXT,
    why         TEXT,
    reserved_at INTEGER NOT NULL,
    closed_at   INTEGER
) STRICT, WITHOUT ROWID;

-- What a start must find after a crash, and the worklist of what is in doubt.
CREATE INDEX reservation_open ON reservation (state, id) WHERE state IN ('held', 'unknown');

-- What each request claimed of each account. `most` is the limit it was held against, if any.
CREATE TABLE claim (
    reservation BLOB    NOT NULL REFERENCES reservation (id),
    account     INTEGER NOT NULL REFERENCES account (id),
    amount      INTEGER NOT NULL CHECK (amount >= 0),
    most        INTEGER CHECK (most >= 0),
    enforced    INTEGER NOT NULL CHECK (enforced IN (0, 1)),
    PRIMARY KEY (reservation, account)
) STRICT, WITHOUT ROWID;

-- The journal. Lines are added, never edited.
CREATE TABLE entry (
    sequence    INTEGER PRIMARY KEY,
    at          INTEGER NOT NULL,
    reservation BLOB    NOT NULL REFERENCES reservation (id),
    account     INTEGER NOT NULL REFERENCES account (id),
    kind        TEXT    NOT NULL CHECK (kind IN ('reserve', 'settle', 'void', 'unknown', 'reconcile')),
    reserved    INTEGER NOT NULL CHECK (reserved >= 0),
    charged     INTEGER NOT NULL CHECK (charged >= 0),
    note        TEXT    NOT NULL
) STRICT;

CREATE TRIGGER entry_is_never_edited BEFORE UPDATE ON entry
BEGIN
    SELECT RAISE(ABORT, 'entries are added, never edited');
END;
