-- The instruments of the newest good dump, and what became of every contract before.

-- One row per dump that was taken over; `version` is that under which it was first stored.
CREATE TABLE instrument_dumps (
    version    bigint PRIMARY KEY,
    fetched_us bigint  NOT NULL,
    rows       integer NOT NULL CHECK (rows > 0)
);

-- A contract is its exchange, symbol and expiry (yyyymmdd, 0: none): the exchange gives its token
-- to another contract later, so tokens repeat here. One writer: ingest.
CREATE TABLE instruments (
    exchange         text     NOT NULL,
    tradingsymbol    text     NOT NULL,
    expiry           integer  NOT NULL,
    instrument_token bigint   NOT NULL,
    underlying_token bigint   NOT NULL,
    underlying       text     NOT NULL,
    kind             smallint NOT NULL,
    strike           float8   NOT NULL,
    tick_size        float8   NOT NULL,
    lot_size         bigint   NOT NULL,
    expiry_ns        bigint   NOT NULL,
    -- Dumps in which it appeared first, changed last, was missing first; NULL while it is listed.
    listed           bigint   NOT NULL,
    changed          bigint   NOT NULL,
    delisted         bigint,
    PRIMARY KEY (exchange, tradingsymbol, expiry)
);
CREATE INDEX instruments_by_token ON instruments (instrument_token);

-- What a contract was before a dump changed it.
CREATE TABLE instrument_changes (
    exchange         text    NOT NULL,
    tradingsymbol    text    NOT NULL,
    expiry           integer NOT NULL,
    version          bigint  NOT NULL,
    instrument_token bigint  NOT NULL,
    tick_size        float8  NOT NULL,
    lot_size         bigint  NOT NULL,
    delisted         bigint,
    PRIMARY KEY (exchange, tradingsymbol, expiry, version)
);
