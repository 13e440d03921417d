-- What was asked and answered by requests that failed, or by all: sealed JSON, kept for an hour or so. The key is
-- the request's id, as in the call log.
CREATE TABLE request_bodies (
    at_ms BIGINT NOT NULL,
    tail BIGINT NOT NULL,
    sealed {blob} NOT NULL,
    PRIMARY KEY (at_ms, tail)
);

-- Numbers of types that channels were made with, where adapter and address do not tell: several numbers of
-- another gateway may be one adapter here.
CREATE TABLE channel_numbers (
    channel_id BIGINT NOT NULL PRIMARY KEY,
    type_number BIGINT NOT NULL
);
