-- By which keys tokens that came from other installations are hashed, beside our own: sealed hexadecimal digits.
CREATE TABLE hash_keys (
    id {id},
    sealed {blob} NOT NULL,
    created_at BIGINT NOT NULL
);
