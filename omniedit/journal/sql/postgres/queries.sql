-- name: has_meta
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_class JOIN pg_catalog.pg_namespace ON pg_namespace.oid = pg_class.relnamespace
    WHERE pg_namespace.nspname = 'omniedit' AND pg_class.relname = 'meta'
);

-- name: get_meta
SELECT value FROM omniedit.meta WHERE name = $1;

-- name: put_meta
INSERT INTO omniedit.meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: some_entry
SELECT * FROM omniedit.entry LIMIT 1;

-- name: add_holder
INSERT INTO omniedit.holder (name, until) VALUES ($1, clock_timestamp() + $2 * interval '1 second') RETURNING id;

-- name: renew_holder
UPDATE omniedit.holder SET until = clock_timestamp() + $2 * interval '1 second' WHERE id = $1 RETURNING id;

-- name: remove_holder
DELETE FROM omniedit.holder WHERE id = $1;

-- name: reap_holders
-- A server that was away has kept everybody from renewing: after its start nobody is declared dead for one lease. Who
-- is just writing is skipped and not waited for: the wait would hold up the renewals of the reaper itself.
DELETE FROM omniedit.holder
WHERE id IN (
    SELECT id FROM omniedit.holder
    WHERE until < clock_timestamp()
    AND pg_postmaster_start_time() < clock_timestamp() - $1 * interval '1 second'
    FOR UPDATE SKIP LOCKED
)
RETURNING name;

-- name: fence
-- Whoever finds its own row here keeps it up to its commit: a reaper passes it by.
SELECT id FROM omniedit.holder WHERE id = $1 FOR KEY SHARE;

-- name: living_holders
SELECT id, name FROM omniedit.holder WHERE id = ANY($1::bigint[]);

-- name: names_of_living
SELECT name FROM omniedit.holder WHERE until > clock_timestamp() ORDER BY id;

-- name: lock_states
SELECT state.job, job.key, state.holder, state.phase
FROM omniedit.job
JOIN omniedit.state USING (job)
WHERE job.key = ANY($1::text[])
ORDER BY state.job
FOR UPDATE OF state;

-- name: hold
UPDATE omniedit.state SET holder = $1 WHERE job = ANY($2::bigint[]);

-- name: let_go
UPDATE omniedit.state SET holder = NULL
FROM omniedit.job
WHERE job.job = state.job AND job.key = ANY($2::text[]) AND state.holder = $1;

-- name: let_all_go
UPDATE omniedit.state SET holder = NULL WHERE holder = $1;

-- name: add_jobs
INSERT INTO omniedit.job (key, mark, source, prompt, name, callback_url, model, variant, target)
SELECT key, mark, source, prompt, name, callback_url, model, variant, target
FROM unnest(
    $1::text[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[]
) WITH ORDINALITY
AS new (key, mark, source, prompt, name, callback_url, model, variant, target, place)
ORDER BY place
ON CONFLICT DO NOTHING
RETURNING job, key;

-- name: add_states
INSERT INTO omniedit.state (
    holder, job, phase, status, at, video_url, callback_url, nonce, task_id, submitted_at, unfinished_at, link,
    deadline, renewals, path, sha256, size, credits_reserved, credits_used, error_type, error_code, error_message
)
SELECT CASE WHEN new.phase IN (1, 2) THEN $1::bigint END, new.*
FROM unnest(
    $2::bigint[], $3::smallint[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::timestamptz[], $11::timestamptz[], $12::text[], $13::timestamptz[], $14::integer[], $15::text[], $16::text[],
    $17::bigint[], $18::double precision[], $19::double precision[], $20::text[], $21::text[], $22::text[]
) AS new (
    job, phase, status, at, video_url, callback_url, nonce, task_id, submitted_at, unfinished_at, link, deadline,
    renewals, path, sha256, size, credits_reserved, credits_used, error_type, error_code, error_message
);

-- name: set_states
-- An edit that has ended is nobody's any more.
UPDATE omniedit.state SET
    holder = CASE WHEN new.phase IN (1, 2) THEN $1::bigint END, moved_at = clock_timestamp(),
    phase = new.phase, status = new.status, at = new.at, video_url = new.video_url, callback_url = new.callback_url,
    nonce = new.nonce, task_id = new.task_id, submitted_at = new.submitted_at, unfinished_at = new.unfinished_at,
    link = new.link, deadline = new.deadline, renewals = new.renewals, path = new.path, sha256 = new.sha256,
    size = new.size, credits_reserved = new.credits_reserved, credits_used = new.credits_used,
    error_type = new.error_type, error_code = new.error_code, error_message = new.error_message
FROM unnest(
    $2::bigint[], $3::smallint[], $4::text[], $5::timestamptz[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::timestamptz[], $11::timestamptz[], $12::text[], $13::timestamptz[], $14::integer[], $15::text[], $16::text[],
    $17::bigint[], $18::double precision[], $19::double precision[], $20::text[], $21::text[], $22::text[]
) AS new (
    job, phase, status, at, video_url, callback_url, nonce, task_id, submitted_at, unfinished_at, link, deadline,
    renewals, path, sha256, size, credits_reserved, credits_used, error_type, error_code, error_message
)
WHERE state.job = new.job;

-- name: attempts_of_nonces
SELECT attempt.nonce, job.key, attempt.at, attempt.outcome, attempt.task_id, attempt.detail
FROM omniedit.attempt
JOIN omniedit.job USING (job)
WHERE attempt.nonce = ANY($1::text[])
ORDER BY attempt.id
FOR UPDATE OF attempt;

-- name: attempts_of_key
SELECT attempt.nonce, job.key, attempt.at, attempt.outcome, attempt.task_id, attempt.detail
FROM omniedit.attempt
JOIN omniedit.job USING (job)
WHERE job.key = $1
ORDER BY attempt.id;

-- name: put_attempts
INSERT INTO omniedit.attempt (nonce, job, at, outcome, task_id, detail)
SELECT new.nonce, job.job, new.at, new.outcome, new.task_id, new.detail
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[]) WITH ORDINALITY
AS new (nonce, key, at, outcome, task_id, detail, place)
JOIN omniedit.job ON job.key = new.key
ORDER BY new.place
ON CONFLICT (nonce) DO UPDATE SET outcome = excluded.outcome, task_id = excluded.task_id, detail = excluded.detail
WHERE attempt.job = excluded.job;

-- name: get_upload
SELECT url, expires_at FROM omniedit.upload
WHERE content = $1 AND host = $2 AND (expires_at IS NULL OR expires_at > $3);

-- name: put_upload
INSERT INTO omniedit.upload (content, host, url, expires_at) VALUES ($1, $2, $3, $4)
ON CONFLICT (content, host) DO UPDATE SET url = excluded.url, expires_at = excluded.expires_at;

-- name: entries_of_keys
SELECT * FROM omniedit.entry WHERE key = ANY($1::text[]);

-- name: keys_of_marks
SELECT mark, key FROM omniedit.job WHERE mark = ANY($1::bytea[]);

-- name: entry_of_nonce
SELECT entry.* FROM omniedit.entry JOIN omniedit.attempt USING (job) WHERE attempt.nonce = $1;

-- name: page_of_all
SELECT * FROM omniedit.entry WHERE job > $1 ORDER BY job LIMIT $2;

-- name: page_of_open
SELECT * FROM omniedit.entry WHERE phase IN (1, 2) AND job > $1 ORDER BY job LIMIT $2;

-- name: page_of_statuses
SELECT * FROM omniedit.entry WHERE status = ANY($3::text[]) AND job > $1 ORDER BY job LIMIT $2;

-- name: page_of_open_statuses
SELECT * FROM omniedit.entry
WHERE phase IN (1, 2) AND status = ANY($3::text[]) AND job > $1
ORDER BY job LIMIT $2;

-- name: counts
SELECT status, count(*), coalesce(sum(credits_reserved), 0), coalesce(sum(credits_used), 0)
FROM omniedit.state
GROUP BY status;

-- name: add_limit
INSERT INTO omniedit.key_limit (fingerprint) VALUES ($1) ON CONFLICT DO NOTHING;

-- name: lock_limit
SELECT rate, next_at, paused_until, reacted_at, refusals, told_at, cycle_at, accepted
FROM omniedit.key_limit WHERE fingerprint = $1
FOR UPDATE;

-- name: look_at_room
-- Behind the lock, so that the clock and the counts are those of now. An uncertain request may be a task for a while.
SELECT
    extract(epoch FROM clock_timestamp())::double precision AS now,
    CASE WHEN $3 THEN (
        SELECT count(*) FROM omniedit.state
        WHERE phase IN (2, 3) AND (phase = 2 OR moved_at > clock_timestamp() - interval '15 minutes')
    ) ELSE 0 END AS live,
    CASE WHEN $3 THEN (
        SELECT coalesce(sum(token.held), 0) FROM omniedit.token JOIN omniedit.holder ON holder.id = token.holder
        WHERE token.fingerprint = $1 AND token.holder <> $2
    ) ELSE 0 END AS held;

-- name: set_limit
UPDATE omniedit.key_limit
SET rate = $2, next_at = $3, paused_until = $4, reacted_at = $5, refusals = $6, told_at = $7, cycle_at = $8,
    accepted = $9
WHERE fingerprint = $1;

-- name: set_token
INSERT INTO omniedit.token (fingerprint, holder, held) VALUES ($1, $2, $3)
ON CONFLICT (fingerprint, holder) DO UPDATE SET held = excluded.held;

-- name: drop_tokens
DELETE FROM omniedit.token WHERE NOT EXISTS (SELECT FROM omniedit.holder WHERE holder.id = token.holder);

-- name: get_limit
SELECT rate, greatest(paused_until - extract(epoch FROM clock_timestamp()), 0) FROM omniedit.key_limit
WHERE fingerprint = $1;
