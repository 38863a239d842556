-- The first schema. Times are whole microseconds since 1970-01-01 UTC. Digests, and text made of an even number of
-- lower-case hexadecimal digits, are stored as the bytes they stand for. NULL stands for "none" or for the default.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- Text that many edits share, such as one prompt for a whole batch, or the folder of its clips. The same text may
-- stand here more than once: the writer only remembers what it has used lately.
CREATE TABLE phrase (
    id INTEGER PRIMARY KEY,
    value NOT NULL
);

-- An edit as it was admitted; never changed.
CREATE TABLE job (
    id INTEGER PRIMARY KEY,
    key NOT NULL UNIQUE,
    -- Source and target are a folder (a phrase, up to and with the last slash) and a name.
    source_folder INTEGER NOT NULL,
    source_name NOT NULL,
    target_folder INTEGER NOT NULL,
    target_name NOT NULL,
    -- A number made from the target without regard to case; NULL for an empty target, which names no file.
    target_mark INTEGER,
    prompt INTEGER NOT NULL,
    -- The integer 0 means: the same as target_name.
    name,
    callback_url INTEGER,
    model INTEGER,
    variant INTEGER
);
CREATE INDEX job_target ON job (target_mark) WHERE target_mark IS NOT NULL;

-- Where each edit stands; replaced as a whole.
CREATE TABLE state (
    job INTEGER PRIMARY KEY,
    -- 0 for the ends, 1 for everything else.
    is_open INTEGER NOT NULL,
    -- A number for the statuses that this library names, text for those that only the service knows.
    status NOT NULL,
    at INTEGER NOT NULL,
    credits_reserved REAL,
    credits_used REAL,
    -- An integer is the number of the attempt whose nonce this is.
    nonce,
    -- The integer 0 means: the task that this attempt was accepted as.
    task_id,
    submitted_at INTEGER,
    unfinished_at INTEGER,
    deadline INTEGER,
    renewals INTEGER,
    link,
    -- The integer 0 means: the target.
    path,
    sha256,
    size INTEGER,
    video_url,
    callback_url,
    error_type,
    error_code,
    error_message
);
CREATE INDEX state_open ON state (job) WHERE is_open = 1;
-- Covers the counts, so that they never read the wide rows of the ends.
CREATE INDEX state_ended ON state (is_open, status, job, credits_reserved, credits_used) WHERE is_open = 0;

-- Every nonce that was ever sent, and what became of it. The id is job * 1048576 + number, numbers from 1, so that the
-- attempts of one job lie together, in their order, without an index of their own.
CREATE TABLE attempt (
    id INTEGER PRIMARY KEY,
    nonce NOT NULL UNIQUE,
    at INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    task_id,
    detail
);

CREATE TABLE upload (
    content NOT NULL,
    host TEXT NOT NULL,
    url NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (content, host)
) WITHOUT ROWID;

-- Everything about an edit in one row: `SELECT * FROM entry` is made for people, too.
CREATE VIEW entry AS
SELECT
    state.job AS job,
    job.key AS key,
    source_folder.value AS source_folder,
    job.source_name AS source_name,
    target_folder.value AS target_folder,
    job.target_name AS target_name,
    prompt.value AS prompt,
    job.name AS name,
    edit_callback.value AS edit_callback_url,
    model.value AS model,
    job.variant AS variant,
    state.is_open AS is_open,
    state.status AS status,
    state.at AS at,
    state.credits_reserved AS credits_reserved,
    state.credits_used AS credits_used,
    CASE typeof(state.nonce) WHEN 'integer' THEN attempt.nonce ELSE state.nonce END AS nonce,
    CASE typeof(state.task_id) WHEN 'integer' THEN attempt.task_id ELSE state.task_id END AS task_id,
    state.submitted_at AS submitted_at,
    state.unfinished_at AS unfinished_at,
    state.deadline AS deadline,
    state.renewals AS renewals,
    state.link AS link,
    state.path AS path,
    state.sha256 AS sha256,
    state.size AS size,
    state.video_url AS video_url,
    state.callback_url AS callback_url,
    state.error_type AS error_type,
    state.error_code AS error_code,
    state.error_message AS error_message
FROM state
CROSS JOIN job ON job.id = state.job
LEFT JOIN phrase AS source_folder ON source_folder.id = job.source_folder
LEFT JOIN phrase AS target_folder ON target_folder.id = job.target_folder
LEFT JOIN phrase AS prompt ON prompt.id = job.prompt
LEFT JOIN phrase AS edit_callback ON edit_callback.id = job.callback_url
LEFT JOIN phrase AS model ON model.id = job.model
LEFT JOIN attempt ON typeof(state.nonce) = 'integer' AND attempt.id = state.job * 1048576 + state.nonce;
