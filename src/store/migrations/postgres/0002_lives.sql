-- Who writes into the books: one row per life of a replica. `reported` is its last report that was taken.
CREATE TABLE life (
    id       BIGINT  PRIMARY KEY,
    replica  TEXT    COLLATE "C" NOT NULL,
    began_at BIGINT  NOT NULL,
    seen_at  BIGINT  NOT NULL,
    over     BOOLEAN NOT NULL,
    reported BIGINT  NOT NULL CHECK (reported >= 0)
) WITH (fillfactor = 50);

-- What each life leases of an account, {"life": [amount, spent, recall]} in JSON: their amounts add up to
-- `leased`. What the window draws of top-ups, {"top-up": amount}.
ALTER TABLE account ADD COLUMN leases TEXT NOT NULL DEFAULT '{}';
ALTER TABLE account ADD COLUMN draws TEXT NOT NULL DEFAULT '{}';
ALTER TABLE account ADD COLUMN recalled_at BIGINT;

-- What somebody allowed beyond a budget's limit. `drawn` can be derived from the accounts' draws.
CREATE TABLE top_up (
    id         BIGINT PRIMARY KEY,
    budget     TEXT   COLLATE "C" NOT NULL,
    partition  TEXT   COLLATE "C" NOT NULL,
    unit       TEXT   COLLATE "C" NOT NULL,
    amount     BIGINT NOT NULL CHECK (amount >= 0),
    drawn      BIGINT NOT NULL CHECK (drawn >= 0 AND drawn <= amount),
    at         BIGINT NOT NULL,
    expires_at BIGINT,
    reason     TEXT   NOT NULL,
    author     TEXT   NOT NULL
);

-- The limits of each replica's policy; `most` is null where nothing refuses.
CREATE TABLE cap (
    replica TEXT   COLLATE "C" NOT NULL,
    budget  TEXT   COLLATE "C" NOT NULL,
    unit    TEXT   COLLATE "C" NOT NULL,
    most    BIGINT CHECK (most >= 0),
    PRIMARY KEY (replica, budget, unit)
);

-- What people want to read about later, and what moves no amount by itself.
CREATE TABLE event (
    sequence BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       BIGINT NOT NULL,
    author   TEXT   NOT NULL,
    what     TEXT   NOT NULL
);
