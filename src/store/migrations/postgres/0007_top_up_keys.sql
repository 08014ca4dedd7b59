-- A digest of who ordered a top-up and the key that they gave it: the same key again is the same top-up.
ALTER TABLE top_up ADD COLUMN key BYTEA;

CREATE UNIQUE INDEX top_up_key ON top_up (key) WHERE key IS NOT NULL;
