-- Land that requests have locked, for Planet counts it once in a term: its outline in GeoJSON, and the box around
-- it in millionths of a degree. `plan` is a digest of whose land it is.
CREATE TABLE land (
    request UUID   PRIMARY KEY,
    plan    BYTEA  NOT NULL,
    west    BIGINT NOT NULL,
    south   BIGINT NOT NULL,
    east    BIGINT NOT NULL,
    north   BIGINT NOT NULL,
    outline TEXT   NOT NULL
);

CREATE INDEX land_of_plan ON land (plan);

-- The accounts that its area was booked on: only for those does it count as locked.
CREATE TABLE land_account (
    request UUID   NOT NULL,
    account BIGINT NOT NULL REFERENCES account (id),
    PRIMARY KEY (request, account)
);

CREATE INDEX land_of_account ON land_account (account);
