-- Settings that are changed while gateways run, over those of the file. `content` is JSON.
CREATE TABLE settings (
    name VARCHAR(191) NOT NULL PRIMARY KEY,
    content {text} NOT NULL
);
