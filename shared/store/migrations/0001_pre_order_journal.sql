-- The order journal: what was asked, what became of it, what the broker says.

-- One row per account. Whoever trades for it holds `fence`; every transaction locks this row first,
-- so that an account's changes are serial and its event numbers have no holes.
CREATE TABLE order_accounts (
    account        text   PRIMARY KEY,
    fence          bigint NOT NULL DEFAULT 0,
    owner          text   NOT NULL DEFAULT '',
    held_since_us  bigint NOT NULL DEFAULT 0,
    event_sequence bigint NOT NULL DEFAULT 0
);

CREATE TABLE order_commands (
    account           text     NOT NULL REFERENCES order_accounts,
    command_id        text     NOT NULL,
    serial            bigint   GENERATED ALWAYS AS IDENTITY,
    kind              text     NOT NULL,
    fingerprint       bytea    NOT NULL,
    encoding          text     NOT NULL CHECK (encoding IN ('json', 'msgpack')),
    payload           bytea    NOT NULL,
    strategy_id       text     NOT NULL DEFAULT '',
    priority          smallint NOT NULL,
    state             text     NOT NULL,
    -- What a placement adds to, as 'BUY NSE:INFY'; null for what adds to nothing.
    exposure          text,
    target_command_id text,
    order_id          text,
    tag               text,
    attempts          integer  NOT NULL DEFAULT 0,
    reason            jsonb,
    valid_until_us    bigint,
    received_us       bigint   NOT NULL,
    sending_us        bigint,
    changed_us        bigint   NOT NULL,
    is_open           boolean  NOT NULL,
    fence             bigint   NOT NULL,
    PRIMARY KEY (account, command_id),
    UNIQUE (account, tag)
);
CREATE INDEX order_commands_open ON order_commands (account, serial) WHERE is_open;
CREATE INDEX order_commands_in_doubt ON order_commands (account, exposure)
    WHERE state = 'UNKNOWN' AND exposure IS NOT NULL;
CREATE INDEX order_commands_by_order ON order_commands (account, order_id)
    WHERE order_id IS NOT NULL;
CREATE INDEX order_commands_sent ON order_commands (account, sending_us) WHERE kind = 'place';

-- A cancel that arrived before its placement ends that placement when it comes.
CREATE TABLE order_tombstones (
    account           text   NOT NULL REFERENCES order_accounts,
    target_command_id text   NOT NULL,
    by_command_id     text   NOT NULL,
    at_us             bigint NOT NULL,
    fence             bigint NOT NULL,
    PRIMARY KEY (account, target_command_id)
);

-- The broker's orders as last seen; command_id is null for one that is not ours.
CREATE TABLE broker_orders (
    account       text    NOT NULL REFERENCES order_accounts,
    order_id      text    NOT NULL,
    command_id    text,
    origin        text    NOT NULL CHECK (origin IN ('OURS', 'EXTERNAL')),
    status        text    NOT NULL,
    is_terminal   boolean NOT NULL,
    filled        bigint  NOT NULL,
    version       text    NOT NULL,
    modifications integer NOT NULL DEFAULT 0,
    seen          jsonb   NOT NULL,
    observed_us   bigint  NOT NULL,
    fence         bigint  NOT NULL,
    PRIMARY KEY (account, order_id)
);
CREATE INDEX broker_orders_open ON broker_orders (account) WHERE NOT is_terminal;

-- The outbox: an event is committed with the change it tells of, published afterwards, in order.
CREATE TABLE order_events (
    account      text    NOT NULL REFERENCES order_accounts,
    sequence     bigint  NOT NULL,
    command_id   text    NOT NULL,
    payload      bytea   NOT NULL,
    -- False for what only answers a repeated command.
    is_step      boolean NOT NULL,
    is_published boolean NOT NULL DEFAULT false,
    fence        bigint  NOT NULL,
    PRIMARY KEY (account, sequence)
);
CREATE INDEX order_events_unpublished ON order_events (account, sequence) WHERE NOT is_published;
CREATE INDEX order_events_of_command ON order_events (account, command_id, sequence)
    WHERE is_step;

-- What may be sent: the strictest of the rows that apply wins; no row means ACTIVE.
CREATE TABLE trading_states (
    scope      text   NOT NULL CHECK (scope IN ('global', 'account', 'strategy')),
    subject    text   NOT NULL,
    state      text   NOT NULL CHECK (state IN ('ACTIVE', 'REDUCING', 'HALTED')),
    set_by     text   NOT NULL,
    sentence   text   NOT NULL DEFAULT '',
    changed_us bigint NOT NULL,
    PRIMARY KEY (scope, subject)
);
