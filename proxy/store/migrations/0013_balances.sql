-- What was left of the accounts at providers when they were asked (`asked_at`, unix seconds): millionths of a unit
-- of a currency. `account` is a keyed hash of what was asked and with which key.
CREATE TABLE channel_balances (
    channel_id BIGINT NOT NULL,
    currency VARCHAR(16) NOT NULL,
    account VARCHAR(191) NOT NULL,
    micros BIGINT NOT NULL,
    asked_at BIGINT NOT NULL,
    PRIMARY KEY (channel_id, currency)
);
