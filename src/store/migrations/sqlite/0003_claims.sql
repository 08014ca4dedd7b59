-- What a request claimed stands in its own row: [[account, amount, limit or null, enforced], …] in JSON, in
-- the order in which it was claimed. `holder` is the epoch of the replica that holds it.
ALTER TABLE reservation ADD COLUMN claims TEXT NOT NULL DEFAULT '[]';
ALTER TABLE reservation ADD COLUMN holder INTEGER;

UPDATE reservation SET claims = (
    SELECT json_group_array(json(line)) FROM (
        SELECT json_array(account, amount, most, json(iif(enforced, 'true', 'false'))) AS line
        FROM claim JOIN account ON account.id = claim.account
        WHERE claim.reservation = reservation.id
        ORDER BY budget, partition, instr('pu aum km2 quota tiles requests', unit), starts_at
    )
);

DROP TABLE claim;

-- What is granted to replicas as leases and not yet reported as spent.
ALTER TABLE account ADD COLUMN leased INTEGER NOT NULL DEFAULT 0 CHECK (leased >= 0);

-- Lines may belong to no single request, and of kinds that are yet to come.
CREATE TABLE journal (
    sequence    INTEGER PRIMARY KEY,
    at          INTEGER NOT NULL,
    reservation BLOB    REFERENCES reservation (id),
    account     INTEGER NOT NULL REFERENCES account (id),
    kind        TEXT    NOT NULL,
    reserved    INTEGER NOT NULL CHECK (reserved >= 0),
    charged     INTEGER NOT NULL CHECK (charged >= 0),
    note        TEXT    NOT NULL
) STRICT;

INSERT INTO journal (sequence, at, reservation, account, kind, reserved, charged, note)
SELECT sequence, at, reservation, account, kind, reserved, charged, note FROM entry ORDER BY sequence;

DROP TABLE entry;
ALTER TABLE journal RENAME TO entry;

CREATE TRIGGER entry_is_never_edited BEFORE UPDATE ON entry
BEGIN
    SELECT RAISE(ABORT, 'entries are added, never edited');
END;
