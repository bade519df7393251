-- What lies in the demat account, as last read; one writer: the account's executor.

CREATE TABLE broker_holdings (
    account       text   NOT NULL REFERENCES order_accounts,
    exchange      text   NOT NULL,
    tradingsymbol text   NOT NULL,
    product       text   NOT NULL,
    -- Units that may be sold, those bought yesterday among them.
    quantity      bigint NOT NULL,
    -- Of those, sold already.
    used          bigint NOT NULL,
    looked_us     bigint NOT NULL,
    fence         bigint NOT NULL,
    PRIMARY KEY (account, exchange, tradingsymbol, product)
);
