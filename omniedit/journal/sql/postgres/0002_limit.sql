-- What all hosts know together of the limit of one key. Times are seconds since 1970 on the clock of the database.
CREATE TABLE omniedit.key_limit (
    fingerprint text PRIMARY KEY,
    -- Requests per second; NULL as long as no host was ever refused.
    rate double precision,
    next_at double precision NOT NULL DEFAULT 0,
    paused_until double precision NOT NULL DEFAULT 0,
    reacted_at double precision NOT NULL DEFAULT 0,
    refusals integer NOT NULL DEFAULT 0,
    told_at double precision NOT NULL DEFAULT 0,
    cycle_at double precision NOT NULL DEFAULT 0,
    accepted bigint NOT NULL DEFAULT 0
);

-- Tokens that were drawn and whose requests are not answered yet; those of a holder that is gone do not count.
CREATE TABLE omniedit.token (
    fingerprint text NOT NULL,
    holder bigint NOT NULL,
    held integer NOT NULL,
    PRIMARY KEY (fingerprint, holder)
);
