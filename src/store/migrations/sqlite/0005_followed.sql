-- What requests have made upstream and is followed to its final figures. `over_at` is null while it is open.
CREATE TABLE followed (
    reservation BLOB    PRIMARY KEY,
    upstream    TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    path        TEXT    NOT NULL,
    since       INTEGER NOT NULL,
    tries       INTEGER NOT NULL CHECK (tries >= 0),
    next_at     INTEGER NOT NULL,
    state       TEXT,
    over_at     INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX followed_open ON followed (next_at, reservation) WHERE over_at IS NULL;
CREATE INDEX followed_name ON followed (name, kind, upstream);

-- Planet's own figures of what the account has used, as they were read, and what the books had of the same.
CREATE TABLE meter (
    upstream      TEXT    NOT NULL,
    product       TEXT    NOT NULL,
    unit          TEXT    NOT NULL,
    since         INTEGER NOT NULL,
    first         INTEGER NOT NULL CHECK (first >= 0),
    last          INTEGER NOT NULL CHECK (last >= 0),
    read_at       INTEGER NOT NULL,
    moved_at      INTEGER NOT NULL,
    counted       INTEGER NOT NULL CHECK (counted >= 0),
    counted_until INTEGER NOT NULL,
    ours          INTEGER NOT NULL CHECK (ours >= 0),
    adjusted      INTEGER NOT NULL CHECK (adjusted >= 0),
    PRIMARY KEY (upstream, product, unit)
) STRICT, WITHOUT ROWID;

-- Requests that take of what Planet shows such figures of: few.
CREATE INDEX reservation_metered ON reservation (reserved_at)
WHERE (predicted LIKE '%"km2"%' OR predicted LIKE '%"quota"%');
