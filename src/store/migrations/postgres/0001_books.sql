-- The books. Amounts are whole millionths of the unit, times are microseconds since 1970. Texts compare by
-- their bytes, whatever the database's own collation.

-- One row per budget, partition, unit and window start. The sums can be derived from `entry`. Rows change
-- often and keep room for it, so that a change touches no index.
CREATE TABLE account (
    id        BIGINT PRIMARY KEY,
    budget    TEXT   COLLATE "C" NOT NULL,
    partition TEXT   COLLATE "C" NOT NULL,
    unit      TEXT   COLLATE "C" NOT NULL,
    starts_at BIGINT NOT NULL,
    ends_at   BIGINT,
    settled   BIGINT NOT NULL CHECK (settled >= 0),
    overrun   BIGINT NOT NULL CHECK (overrun >= 0),
    unknown   BIGINT NOT NULL CHECK (unknown >= 0),
    held      BIGINT NOT NULL CHECK (held >= 0),
    leased    BIGINT NOT NULL DEFAULT 0 CHECK (leased >= 0),
    UNIQUE (budget, partition, unit, starts_at)
) WITH (fillfactor = 50);

-- Numbers the accounts before they are written.
CREATE SEQUENCE account_number;

-- One row per request that reserved. `predicted` and `charged` are JSON, {"pu": 26500000}; `claims` is what it
-- claimed, [[account, amount, limit or null, enforced], …] in JSON, in the order in which it was claimed.
-- `fingerprint` tells a create from another until its answer has reached its client. `holder` is the epoch of
-- the replica that holds it.
CREATE TABLE reservation (
    id          UUID   PRIMARY KEY,
    team        TEXT   NOT NULL,
    key         TEXT   NOT NULL,
    api         TEXT   NOT NULL,
    product     TEXT,
    tag         TEXT,
    predicted   TEXT   NOT NULL,
    claims      TEXT   NOT NULL,
    state       TEXT   COLLATE "C" NOT NULL
                CHECK (state IN ('held', 'settled', 'voided', 'unknown', 'reconciled')),
    charged     TEXT,
    source      TEXT,
    why         TEXT,
    reserved_at BIGINT NOT NULL,
    closed_at   BIGINT,
    fingerprint BYTEA,
    holder      BIGINT
);

CREATE INDEX reservation_open ON reservation (state, id) WHERE state IN ('held', 'unknown');
CREATE INDEX reservation_unanswered ON reservation (fingerprint, id) WHERE fingerprint IS NOT NULL;

-- The journal. Lines are added, never edited.
CREATE TABLE entry (
    sequence    BIGINT PRIMARY KEY,
    at          BIGINT NOT NULL,
    reservation UUID   REFERENCES reservation (id),
    account     BIGINT NOT NULL REFERENCES account (id),
    kind        TEXT   NOT NULL,
    reserved    BIGINT NOT NULL CHECK (reserved >= 0),
    charged     BIGINT NOT NULL CHECK (charged >= 0),
    note        TEXT   NOT NULL
);

CREATE FUNCTION entries_are_never_edited() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries are added, never edited';
END;
$$;

CREATE TRIGGER entry_is_never_edited BEFORE UPDATE OR TRUNCATE ON entry
FOR EACH STATEMENT EXECUTE FUNCTION entries_are_never_edited();

-- The number of the last line. Whoever adds lines takes their numbers here and commits before the next one
-- can, so that lines are numbered without a gap and appear in that order.
CREATE TABLE journal (
    one  BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (one),
    last BIGINT  NOT NULL
) WITH (fillfactor = 50);

INSERT INTO journal (last) VALUES (0);
