-- What requests have made upstream and is followed to its final figures. `over_at` is null while it is open.
CREATE TABLE followed (
    reservation UUID   PRIMARY KEY,
    upstream    TEXT   NOT NULL,
    kind        TEXT   NOT NULL,
    name        TEXT   NOT NULL,
    path        TEXT   NOT NULL,
    since       BIGINT NOT NULL,
    tries       BIGINT NOT NULL CHECK (tries >= 0),
    next_at     BIGINT NOT NULL,
    state       TEXT,
    over_at     BIGINT
);

CREATE INDEX followed_open ON followed (next_at, reservation) WHERE over_at IS NULL;
CREATE INDEX followed_name ON followed (name, kind, upstream);

-- Planet's own figures of what the account has used, as they were read, and what the books had of the same.
CREATE TABLE meter (
    upstream      TEXT   COLLATE "C" NOT NULL,
    product       TEXT   COLLATE "C" NOT NULL,
    unit          TEXT   COLLATE "C" NOT NULL,
    since         BIGINT NOT NULL,
    first         BIGINT NOT NULL CHECK (first >= 0),
    last          BIGINT NOT NULL CHECK (last >= 0),
    read_at       BIGINT NOT NULL,
    moved_at      BIGINT NOT NULL,
    counted       BIGINT NOT NULL CHECK (counted >= 0),
    counted_until BIGINT NOT NULL,
    ours          BIGINT NOT NULL CHECK (ours >= 0),
    adjusted      BIGINT NOT NULL CHECK (adjusted >= 0),
    PRIMARY KEY (upstream, product, unit)
);

-- Requests that take of what Planet shows such figures of: few.
CREATE INDEX reservation_metered ON reservation (reserved_at)
WHERE (predicted LIKE '%"km2"%' OR predicted LIKE '%"quota"%');
