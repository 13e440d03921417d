CREATE TABLE users (
    id {id},
    name VARCHAR(191) NOT NULL UNIQUE,
    role BIGINT NOT NULL,
    user_group VARCHAR(191) NOT NULL,
    status VARCHAR(191) NOT NULL,
    created_at BIGINT NOT NULL,
    password_hash {text} NOT NULL
);

CREATE TABLE tokens (
    id {id},
    user_id BIGINT NOT NULL,
    name {text} NOT NULL,
    key_hash {hash} NOT NULL UNIQUE,
    hint {text} NOT NULL,
    status VARCHAR(191) NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    models {text} NOT NULL,
    subnets {text} NOT NULL,
    FOREIGN KEY (user_id) REFERENCES users (id)
);

CREATE TABLE channels (
    id {id},
    type VARCHAR(191) NOT NULL,
    name {text} NOT NULL,
    base_url {text} NOT NULL,
    models {text} NOT NULL,
    mapping {text} NOT NULL,
    priority BIGINT NOT NULL,
    weight BIGINT NOT NULL,
    channel_groups {text} NOT NULL,
    status VARCHAR(191) NOT NULL,
    created_at BIGINT NOT NULL,
    -- what its answers cost, times this: millionths
    ratio BIGINT NOT NULL,
    -- key, proxy and options, sealed: each may hold a secret
    secrets {blob} NOT NULL
);

-- One row. Every administrative change adds one, and running gateways look at it.
CREATE TABLE state (
    id BIGINT NOT NULL PRIMARY KEY,
    generation BIGINT NOT NULL
);

-- Running gateways and the generation each has loaded, so that a command can say "live".
CREATE TABLE instances (
    id VARCHAR(191) NOT NULL PRIMARY KEY,
    generation BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);

-- Last in the file: where MySQL was cut short, tables are skipped when this runs again, rows would be there twice.
INSERT INTO state (id, generation) VALUES (1, 1);
