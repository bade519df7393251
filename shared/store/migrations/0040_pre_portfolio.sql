-- What the broker says was traded and is held, as last read; one writer: the account's executor.

-- A trade_id is unique per exchange and day only, hence the order in the key.
CREATE TABLE broker_trades (
    account          text    NOT NULL REFERENCES order_accounts,
    exchange         text    NOT NULL,
    trade_id         text    NOT NULL,
    order_id         text    NOT NULL,
    tradingsymbol    text    NOT NULL,
    product          text    NOT NULL,
    transaction_type text    NOT NULL CHECK (transaction_type IN ('BUY', 'SELL')),
    quantity         bigint  NOT NULL,
    average_price    numeric NOT NULL,
    -- The broker's own stamp, in India's time without a zone.
    filled_at        text    NOT NULL,
    seen_us          bigint  NOT NULL,
    fence            bigint  NOT NULL,
    PRIMARY KEY (account, exchange, trade_id, order_id)
);
CREATE INDEX broker_trades_of_order ON broker_trades (account, order_id);

-- The net positions of the newest reading that could be believed, closed ones with quantity 0.
CREATE TABLE broker_positions (
    account            text    NOT NULL REFERENCES order_accounts,
    exchange           text    NOT NULL,
    tradingsymbol      text    NOT NULL,
    product            text    NOT NULL,
    quantity           bigint  NOT NULL,
    overnight_quantity bigint  NOT NULL,
    average_price      numeric NOT NULL,
    fence              bigint  NOT NULL,
    PRIMARY KEY (account, exchange, tradingsymbol, product)
);

-- When that reading began: whatever was filled later is not in it.
CREATE TABLE position_looks (
    account   text   PRIMARY KEY REFERENCES order_accounts,
    looked_us bigint NOT NULL,
    fence     bigint NOT NULL
);
