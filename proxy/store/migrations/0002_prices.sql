-- Prices that an operator has set, as JSON of pricing.Price: pico-dollars.
CREATE TABLE model_prices (
    model VARCHAR(191) NOT NULL PRIMARY KEY,
    price {text} NOT NULL
);

-- Groups whose prices differ: millionths.
CREATE TABLE user_groups (
    name VARCHAR(191) NOT NULL PRIMARY KEY,
    ratio BIGINT NOT NULL
);
