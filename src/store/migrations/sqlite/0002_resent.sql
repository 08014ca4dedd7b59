-- What tells a create from another, kept until its answer has reached its client: an identical one that
-- comes meanwhile is the same one sent again.
ALTER TABLE reservation ADD COLUMN fingerprint BLOB;

CREATE INDEX reservation_unanswered ON reservation (fingerprint, id) WHERE fingerprint IS NOT NULL;
