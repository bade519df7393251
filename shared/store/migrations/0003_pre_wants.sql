-- Instruments that somebody wants to be subscribed to, beside those of ingest's own settings.

-- A want names its instrument, not its token: the exchange gives tokens to other contracts later.
-- Whoever wants is the writer of its own rows alone. A want that is over is left out by whoever
-- reads, deleted by whoever writes next.
CREATE TABLE wants (
    source     text     NOT NULL CHECK (source ~ '^[a-z0-9_.-]{1,40}$'),
    symbol     text     NOT NULL CHECK (symbol ~ '^[A-Z]{2,8}:.{1,40}$'),
    mode       text     NOT NULL CHECK (mode IN ('ltp', 'quote', 'full')),
    -- 0 to 100; where there is not room for all, the higher ones get it.
    priority   smallint NOT NULL CHECK (priority BETWEEN 0 AND 100),
    reason     text     NOT NULL DEFAULT '' CHECK (length(reason) <= 200),
    -- Unix microseconds; NULL: until it is removed.
    expires_us bigint,
    changed_us bigint   NOT NULL,
    PRIMARY KEY (source, symbol)
);
