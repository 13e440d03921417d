-- What was brought from other gateways: which of their rows has become which of ours, so that bringing them again
-- changes nothing. `source` is the kind of gateway and where its database is. `our_id` is 0 where ours has no
-- number, and how far the call log was read where `what` is `logs`.
CREATE TABLE imports (
    source VARCHAR(191) NOT NULL,
    what VARCHAR(32) NOT NULL,
    source_id VARCHAR(191) NOT NULL,
    our_id BIGINT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (source, what, source_id)
);
