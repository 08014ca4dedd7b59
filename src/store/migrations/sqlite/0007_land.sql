-- Land that requests have locked, for Planet counts it once in a term: its outline in GeoJSON, and the box around
-- it in millionths of a degree. `plan` is a digest of whose land it is.
CREATE TABLE land (
    request BLOB    PRIMARY KEY,
    plan    BLOB    NOT NULL,
    west    INTEGER NOT NULL,
    south   INTEGER NOT NULL,
    east    INTEGER NOT NULL,
    north   INTEGER NOT NULL,
    outline TEXT    NOT NULL
) STRICT;

CREATE INDEX land_of_plan ON land (plan);

-- The accounts that its area was booked on: only for those does it count as locked.
CREATE TABLE land_account (
    request BLOB    NOT NULL,
    account INTEGER NOT NULL REFERENCES account (id),
    PRIMARY KEY (request, account)
) STRICT, WITHOUT ROWID;

CREATE INDEX land_of_account ON land_account (account);
