-- Who comes first where requests have to wait; higher is earlier.
ALTER TABLE tokens ADD COLUMN priority BIGINT NOT NULL DEFAULT 0;
