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
