-- What goes on spending: one row per subscription. `terms` is JSON, in millionths and microseconds: what each
-- stretch of its time costs, up to when windows were asked for their shares, what they hold of its future.
CREATE TABLE commitment (
    request      uuid   NOT NULL,
    number       bigint NOT NULL CHECK (number >= 0),
    version      bigint NOT NULL CHECK (version > 0),
    upstream     text   NOT NULL,
    subscription text,
    course       text   NOT NULL CHECK (course IN ('asked', 'running', 'suspended', 'over')),
    terms        text   NOT NULL,
    PRIMARY KEY (request, number)
);

CREATE INDEX commitment_open ON commitment (request, number) WHERE course <> 'over';
