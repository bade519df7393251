-- Past candles, which ranges of them were fetched, Greeks of past option candles.

-- A series belongs to a contract, never to a token: the exchange gives tokens away again. `expiry`
-- is yyyymmdd, 0: none. A continuous series goes on through the futures before the contract.
CREATE TABLE candle_series (
    series        bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    exchange      text    NOT NULL,
    tradingsymbol text    NOT NULL,
    expiry        integer NOT NULL,
    "interval"    text    NOT NULL,
    continuous    boolean NOT NULL,
    UNIQUE (exchange, tradingsymbol, expiry, "interval", continuous)
);

-- `begins_s` is Unix seconds in UTC; prices in rupees; `oi` is NULL where Kite sent none.
CREATE TABLE candles (
    series   bigint NOT NULL REFERENCES candle_series,
    begins_s bigint NOT NULL,
    open     float8 NOT NULL,
    high     float8 NOT NULL,
    low      float8 NOT NULL,
    close    float8 NOT NULL,
    volume   bigint NOT NULL,
    oi       bigint,
    PRIMARY KEY (series, begins_s)
);

-- Ranges [from_s, until_s) that hold every candle there will ever be; never the one still growing.
CREATE TABLE candle_coverage (
    series     bigint NOT NULL REFERENCES candle_series,
    from_s     bigint NOT NULL,
    until_s    bigint NOT NULL CHECK (until_s > from_s),
    fetched_us bigint NOT NULL,
    PRIMARY KEY (series, from_s)
);

-- Greeks at the close of an option's candle, as in the tick records; NULL where the status says why.
CREATE TABLE candle_greeks (
    series             bigint   NOT NULL,
    begins_s           bigint   NOT NULL,
    parameters_id      bigint   NOT NULL,
    price              float8   NOT NULL,
    forward            float8,
    forward_source     smallint NOT NULL,
    time_to_expiry     float8   NOT NULL,
    status             smallint NOT NULL,
    flags              smallint NOT NULL,
    implied_vol        float8,
    delta              float8,
    gamma              float8,
    theta_per_day      float8,
    vega_per_vol_point float8,
    rho_per_percent    float8,
    vanna              float8,
    vomma              float8,
    charm              float8,
    PRIMARY KEY (series, begins_s),
    FOREIGN KEY (series, begins_s) REFERENCES candles
);
