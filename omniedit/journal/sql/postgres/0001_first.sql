-- The first schema. Text that PostgreSQL cannot hold (a zero byte, a name that is no Unicode) begins with the control
-- character U+0001 and goes on in Python's `unicode_escape`.

CREATE TABLE omniedit.meta (
    name text PRIMARY KEY,
    value text NOT NULL
);

-- Who works on edits: one row for each open journal, gone when it is closed or declared dead. Its number is the fencing
-- token: it is never given twice, and whoever has no row any more moves nothing.
CREATE TABLE omniedit.holder (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    since timestamptz NOT NULL DEFAULT clock_timestamp(),
    until timestamptz NOT NULL
);

-- An edit as it was admitted; never changed.
CREATE TABLE omniedit.job (
    job bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key text NOT NULL UNIQUE,
    -- A digest of the target without regard to case; NULL for an empty target, which names no file.
    mark bytea UNIQUE,
    source text NOT NULL,
    prompt text NOT NULL,
    name text,
    callback_url text,
    model text NOT NULL,
    variant bigint NOT NULL,
    target text NOT NULL
);

-- Where each edit stands; replaced as a whole.
CREATE TABLE omniedit.state (
    job bigint PRIMARY KEY REFERENCES omniedit.job,
    -- 0 ended; 1 open; 2 open, and the service may be working on it; 3 uncertain. The indexes hang on this column and
    -- on the holder alone, so that most moves touch no index.
    phase smallint NOT NULL,
    -- The holder that works on it. One that has no row in `holder` any more does not count.
    holder bigint,
    -- When this row was written, on the clock of the database; `at` is on the clock of a host.
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    status text NOT NULL,
    at timestamptz NOT NULL,
    video_url text,
    callback_url text,
    nonce text,
    task_id text,
    submitted_at timestamptz,
    unfinished_at timestamptz,
    link text,
    deadline timestamptz,
    renewals integer NOT NULL,
    path text,
    sha256 text,
    size bigint,
    credits_reserved double precision,
    credits_used double precision,
    error_type text,
    error_code text,
    error_message text
) WITH (fillfactor = 70);
CREATE INDEX state_open ON omniedit.state (job) WHERE phase IN (1, 2);
CREATE INDEX state_live ON omniedit.state (job) WHERE phase IN (2, 3);
CREATE INDEX state_holder ON omniedit.state (holder) WHERE holder IS NOT NULL;

-- Every nonce that was ever sent, and what became of it; rows are added and answered, never removed.
CREATE TABLE omniedit.attempt (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    nonce text NOT NULL UNIQUE,
    job bigint NOT NULL REFERENCES omniedit.job,
    at timestamptz NOT NULL,
    outcome text NOT NULL,
    task_id text,
    detail text
);
CREATE INDEX attempt_job ON omniedit.attempt (job, id);

CREATE TABLE omniedit.upload (
    content text NOT NULL,
    host text NOT NULL,
    url text NOT NULL,
    expires_at timestamptz,
    PRIMARY KEY (content, host)
);

-- Everything about an edit in one row, for people too.
CREATE VIEW omniedit.entry AS
SELECT
    state.job, job.key, state.phase, state.holder, state.moved_at,
    job.source, job.prompt, job.name, job.callback_url AS edit_callback_url, job.model, job.variant, job.target,
    state.status, state.at, state.video_url, state.callback_url, state.nonce, state.task_id, state.submitted_at,
    state.unfinished_at, state.link, state.deadline, state.renewals, state.path, state.sha256, state.size,
    state.credits_reserved, state.credits_used, state.error_type, state.error_code, state.error_message
FROM omniedit.state
JOIN omniedit.job USING (job);
