CREATE TABLE users (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    role INTEGER NOT NULL,
    "group" TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    password_hash TEXT NOT NULL DEFAULT ''
);

CREATE TABLE tokens (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES users (id),
    name TEXT NOT NULL,
    key_hash BLOB NOT NULL UNIQUE,
    hint TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    models TEXT NOT NULL DEFAULT '[]',
    subnets TEXT NOT NULL DEFAULT '[]'
);

CREATE TABLE channels (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    type TEXT NOT NULL,
    name TEXT NOT NULL,
    base_url TEXT NOT NULL DEFAULT '',
    models TEXT NOT NULL DEFAULT '[]',
    mapping TEXT NOT NULL DEFAULT '{}',
    priority INTEGER NOT NULL DEFAULT 0,
    weight INTEGER NOT NULL DEFAULT 1,
    groups TEXT NOT NULL DEFAULT '[]',
    status TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    -- key, proxy and options, sealed: each may hold a secret
    secrets BLOB NOT NULL
);

-- One row. Every administrative change adds one, and running gateways look at it.
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    generation INTEGER NOT NULL
);

INSERT INTO state (id, generation) VALUES (1, 1);

-- Running gateways and the generation each has loaded, so that a command can say "live".
CREATE TABLE instances (
    id TEXT PRIMARY KEY,
    generation INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
);
