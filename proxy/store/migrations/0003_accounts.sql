-- Whatever can run out, by name: `user:1`, `token:7`, `day:token:7:20261124`. A balance of NULL is unlimited.
-- Always, where there is a balance: credited = balance + sum(leases) + used.
CREATE TABLE accounts (
    name VARCHAR(191) NOT NULL PRIMARY KEY,
    balance BIGINT,
    credited BIGINT NOT NULL,
    used BIGINT NOT NULL
);

-- What a running gateway has taken out of a balance and not spent yet. `owner` is its journal.
CREATE TABLE leases (
    owner VARCHAR(64) NOT NULL,
    account VARCHAR(191) NOT NULL,
    amount BIGINT NOT NULL,
    PRIMARY KEY (owner, account)
);

-- How much of each gateway's journal is booked.
CREATE TABLE journals (
    owner VARCHAR(64) NOT NULL PRIMARY KEY,
    position BIGINT NOT NULL,
    seen_at BIGINT NOT NULL
);

-- Every change of a balance that is no request: top-ups, gifts, codes, corrections.
CREATE TABLE credits (
    id {id},
    account VARCHAR(191) NOT NULL,
    amount BIGINT NOT NULL,
    kind VARCHAR(32) NOT NULL,
    note VARCHAR(191) NOT NULL,
    actor VARCHAR(191) NOT NULL,
    at BIGINT NOT NULL
);

CREATE INDEX credits_account ON credits (account, id);

CREATE TABLE codes (
    id {id},
    code_hash {hash} NOT NULL UNIQUE,
    name VARCHAR(191) NOT NULL,
    quota BIGINT NOT NULL,
    status VARCHAR(32) NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    redeemed_at BIGINT,
    redeemed_by BIGINT
);

-- First results of requests that must not happen twice, kept for a day.
CREATE TABLE idempotency (
    scope VARCHAR(64) NOT NULL,
    idem VARCHAR(191) NOT NULL,
    body_hash VARCHAR(64) NOT NULL,
    result {text} NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (scope, idem)
);
