-- Seconds, where a channel has limits of its own: JSON as records.Times has it.
ALTER TABLE channels ADD COLUMN times VARCHAR(191) NOT NULL DEFAULT '{}';

-- How channels of a model are chosen, and what is asked where none can serve it. `mode` is empty for the
-- gateway's own; `fallbacks` is a JSON list of models, tried in this order.
CREATE TABLE model_routes (
    model VARCHAR(191) NOT NULL PRIMARY KEY,
    mode VARCHAR(191) NOT NULL,
    fallbacks {text} NOT NULL
);

-- Keys that a provider has refused. A channel whose keys are all here is not asked; whether an administrator
-- has disabled it stands in channels.status and is another matter.
CREATE TABLE key_faults (
    channel_id BIGINT NOT NULL,
    key_hash VARCHAR(191) NOT NULL,
    kind VARCHAR(191) NOT NULL,
    reason {text} NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (channel_id, key_hash)
);

-- What happened that an administrator should know. `detail` is JSON.
CREATE TABLE events (
    id {id},
    at BIGINT NOT NULL,
    kind VARCHAR(191) NOT NULL,
    subject VARCHAR(191) NOT NULL,
    detail {text} NOT NULL
);

-- How the channels fare of each gateway that runs: JSON, so that a command can say why one is not asked.
ALTER TABLE instances ADD COLUMN health {text};
