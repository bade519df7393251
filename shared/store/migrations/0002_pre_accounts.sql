-- Accounts of the broker: whose they are, what opens them, today's session.

-- Each group of columns has one writer:
--   credentials   `tickflow accounts add`
--   is_enabled    `tickflow accounts enable|disable`
--   session       `tickflow session login|set|logout`
--   verification  whoever has just proven the session at the broker
-- `tickflow accounts rotate-key` alone writes across them: the same values under another key.
-- The bytea columns are sealed outside of the database; a row without credentials belongs to an
-- account whose credentials are in a file or in the environment.
CREATE TABLE accounts (
    account                text    PRIMARY KEY CHECK (account ~ '^[A-Z0-9]{2,16}$'),

    api_key                bytea,
    api_secret             bytea,
    credentials_changed_us bigint  NOT NULL DEFAULT 0,

    is_enabled             boolean NOT NULL DEFAULT true,
    enabled_changed_us     bigint  NOT NULL DEFAULT 0,

    -- Grows with every login and logout, so that a reader sees a change without opening a token.
    session_version        bigint  NOT NULL DEFAULT 0,
    access_token           bytea,
    issued_us              bigint,
    expires_us             bigint,

    last_verified_us       bigint,
    -- The session that was proven; another one has not been yet.
    verified_version       bigint,

    CHECK ((api_key IS NULL) = (api_secret IS NULL)),
    CHECK ((access_token IS NULL) = (issued_us IS NULL)),
    CHECK ((access_token IS NULL) = (expires_us IS NULL))
);
