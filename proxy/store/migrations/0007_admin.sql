-- Who is logged in: a keyed hash of the value in the cookie.
CREATE TABLE sessions (
    session_hash {hash} NOT NULL PRIMARY KEY,
    user_id BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX sessions_user ON sessions (user_id);

-- By which programs act for a user: a keyed hash, one for each user at most.
CREATE TABLE access_tokens (
    user_id BIGINT NOT NULL PRIMARY KEY,
    token_hash {hash} NOT NULL UNIQUE,
    created_at BIGINT NOT NULL
);

-- Every change that was asked for by a person or their program. `detail` is JSON without a secret.
CREATE TABLE audit (
    id {id},
    at BIGINT NOT NULL,
    actor VARCHAR(191) NOT NULL,
    act VARCHAR(191) NOT NULL,
    subject VARCHAR(191) NOT NULL,
    address VARCHAR(191) NOT NULL,
    detail {text} NOT NULL
);

CREATE INDEX audit_actor ON audit (actor, id);
CREATE INDEX audit_subject ON audit (subject, id);
