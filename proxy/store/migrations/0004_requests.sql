-- What was used, summed per hour and per day (`span` is 3600 or 86400 seconds, `starts_at` unix seconds): once
-- for channels and models, once for users, their tokens and models. The requests themselves are in tables by
-- month, which are made as they are needed. channel_id is 0 where no channel was asked.
CREATE TABLE usage_by_channel (
    span BIGINT NOT NULL,
    starts_at BIGINT NOT NULL,
    channel_id BIGINT NOT NULL,
    model VARCHAR(191) NOT NULL,
    requests BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    charged BIGINT NOT NULL,
    first_bytes BIGINT NOT NULL,
    first_byte_ms BIGINT NOT NULL,
    total_ms BIGINT NOT NULL,
    PRIMARY KEY (span, starts_at, channel_id, model)
);

CREATE TABLE usage_by_token (
    span BIGINT NOT NULL,
    starts_at BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    token_id BIGINT NOT NULL,
    model VARCHAR(191) NOT NULL,
    requests BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    prompt_tokens BIGINT NOT NULL,
    completion_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost BIGINT NOT NULL,
    charged BIGINT NOT NULL,
    first_bytes BIGINT NOT NULL,
    first_byte_ms BIGINT NOT NULL,
    total_ms BIGINT NOT NULL,
    PRIMARY KEY (span, starts_at, user_id, token_id, model)
);

-- Where to look for the requests of a user and a model, or the failures of a token: see requests.py.
CREATE INDEX usage_by_token_user ON usage_by_token (user_id, span, starts_at);
CREATE INDEX usage_by_token_token ON usage_by_token (token_id, span, starts_at);
CREATE INDEX usage_by_channel_channel ON usage_by_channel (channel_id, span, starts_at);
CREATE INDEX usage_by_channel_model ON usage_by_channel (model, span, starts_at);

-- Sums of transactions that are still to be added to the tables above: JSON as rollups.py writes it.
CREATE TABLE usage_pending (
    id {id},
    sums {text} NOT NULL
);
