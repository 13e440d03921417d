-- What a subject may do, 0 without limit: `token:7`, `user:*`, `model:gpt-4o`. Budgets are quota.
CREATE TABLE limits (
    subject VARCHAR(191) NOT NULL PRIMARY KEY,
    requests_per_minute BIGINT NOT NULL,
    tokens_per_minute BIGINT NOT NULL,
    concurrent BIGINT NOT NULL,
    day_budget BIGINT NOT NULL,
    month_budget BIGINT NOT NULL
);
