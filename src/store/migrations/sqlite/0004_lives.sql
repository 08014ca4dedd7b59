-- Who writes into the books: one row per life of a replica. `reported` is its last report that was taken.
CREATE TABLE life (
    id       INTEGER PRIMARY KEY,
    replica  TEXT    NOT NULL,
    began_at INTEGER NOT NULL,
    seen_at  INTEGER NOT NULL,
    over     INTEGER NOT NULL CHECK (over IN (0, 1)),
    reported INTEGER NOT NULL CHECK (reported >= 0)
) STRICT;

-- What each life leases of an account, {"life": [amount, spent, recall]} in JSON: their amounts add up to
-- `leased`. What the window draws of top-ups, {"top-up": amount}.
ALTER TABLE account ADD COLUMN leases TEXT NOT NULL DEFAULT '{}';
ALTER TABLE account ADD COLUMN draws TEXT NOT NULL DEFAULT '{}';
ALTER TABLE account ADD COLUMN recalled_at INTEGER;

CREATE INDEX account_leased ON account (id) WHERE leases <> '{}';

-- What somebody allowed beyond a budget's limit. `drawn` can be derived from the accounts' draws.
CREATE TABLE top_up (
    id         INTEGER PRIMARY KEY,
    budget     TEXT    NOT NULL,
    partition  TEXT    NOT NULL,
    unit       TEXT    NOT NULL,
    amount     INTEGER NOT NULL CHECK (amount >= 0),
    drawn      INTEGER NOT NULL CHECK (drawn >= 0 AND drawn <= amount),
    at         INTEGER NOT NULL,
    expires_at INTEGER,
    reason     TEXT    NOT NULL,
    author     TEXT    NOT NULL
) STRICT;

-- The limits of each replica's policy; `most` is null where nothing refuses.
CREATE TABLE cap (
    replica TEXT    NOT NULL,
    budget  TEXT    NOT NULL,
    unit    TEXT    NOT NULL,
    most    INTEGER CHECK (most >= 0),
    PRIMARY KEY (replica, budget, unit)
) STRICT, WITHOUT ROWID;

-- What people want to read about later, and what moves no amount by itself.
CREATE TABLE event (
    sequence INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    author   TEXT    NOT NULL,
    what     TEXT    NOT NULL
) STRICT;
