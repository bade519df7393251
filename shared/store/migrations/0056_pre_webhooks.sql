-- Who is told of order events over HTTP, how far, what is still to be delivered.

-- `claimed_until_us`: the publisher that delivers for it holds it so long, so that two of them do
-- not tell the same receiver at once.
CREATE TABLE webhooks (
    webhook_id       text    PRIMARY KEY,
    owner            text    NOT NULL,
    url              text    NOT NULL CHECK (length(url) <= 2000),
    events           text[]  NOT NULL,
    -- False where its dead letters reached their bound: nothing more is queued until a replay.
    is_active        boolean NOT NULL DEFAULT true,
    created_us       bigint  NOT NULL,
    claimed_until_us bigint  NOT NULL DEFAULT 0,
    delivered_total  bigint  NOT NULL DEFAULT 0,
    delivered_us     bigint
);
CREATE INDEX webhooks_by_owner ON webhooks (owner, webhook_id);

-- How far an account's events have been queued for a webhook: the journal is the rest of the queue.
CREATE TABLE webhook_accounts (
    webhook_id text   NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    account    text   NOT NULL,
    sequence   bigint NOT NULL,
    PRIMARY KEY (webhook_id, account)
);

-- What is to be delivered, or was given up; a delivered one is deleted.
CREATE TABLE webhook_deliveries (
    delivery_id bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id  text    NOT NULL REFERENCES webhooks ON DELETE CASCADE,
    account     text    NOT NULL,
    sequence    bigint  NOT NULL,
    payload     bytea   NOT NULL,
    attempts    integer NOT NULL DEFAULT 0,
    next_us     bigint  NOT NULL,
    is_dead     boolean NOT NULL DEFAULT false,
    last_error  text    NOT NULL DEFAULT '',
    queued_us   bigint  NOT NULL,
    UNIQUE (webhook_id, account, sequence)
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, next_us, delivery_id)
    WHERE NOT is_dead;
CREATE INDEX webhook_deliveries_dead ON webhook_deliveries (webhook_id, delivery_id) WHERE is_dead;
