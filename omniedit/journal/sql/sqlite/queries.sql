-- name: get_meta
SELECT value FROM meta WHERE name = :name;

-- name: put_meta
INSERT INTO meta (name, value) VALUES (:name, :value);

-- name: some_job
SELECT * FROM entry LIMIT 1;

-- name: job_of_key
SELECT job.id, phrase.value, job.target_name
FROM job JOIN phrase ON phrase.id = job.target_folder
WHERE job.key = :key;

-- name: key_of_nonce
SELECT key FROM job WHERE id = (SELECT id / 1048576 FROM attempt WHERE nonce = :nonce);

-- name: jobs_of_target
SELECT job.key, phrase.value, job.target_name
FROM job JOIN phrase ON phrase.id = job.target_folder
WHERE job.target_mark = :mark;

-- name: add_phrase
INSERT INTO phrase (value) VALUES (:value);

-- name: add_job
INSERT INTO job (
    key, source_folder, source_name, target_folder, target_name, target_mark, prompt, name, callback_url, model, variant
) VALUES (
    :key, :source_folder, :source_name, :target_folder, :target_name, :target_mark, :prompt, :name, :callback_url,
    :model, :variant
);

-- name: add_state
INSERT INTO state (job, is_open, status, at) VALUES (:job, :is_open, :status, :at);

-- name: set_state
-- Leaves `is_open` alone, so that no index is touched: that is a third of what a move would write.
UPDATE state SET
    status = :status, at = :at, credits_reserved = :credits_reserved, credits_used = :credits_used, nonce = :nonce,
    task_id = :task_id, submitted_at = :submitted_at, unfinished_at = :unfinished_at, deadline = :deadline,
    renewals = :renewals, link = :link, path = :path, sha256 = :sha256, size = :size, video_url = :video_url,
    callback_url = :callback_url, error_type = :error_type, error_code = :error_code, error_message = :error_message
WHERE job = :job AND is_open = :is_open;

-- name: turn_state
UPDATE state SET is_open = :is_open WHERE job = :job;

-- name: attempts_of_key
SELECT job.key, attempt.nonce, attempt.at, attempt.outcome, attempt.task_id, attempt.detail
FROM job JOIN attempt ON attempt.id BETWEEN job.id * 1048576 AND job.id * 1048576 + 1048575
WHERE job.key = :key
ORDER BY attempt.id;

-- name: add_attempt
INSERT INTO attempt (id, nonce, at, outcome) VALUES (:id, :nonce, :at, :outcome) ON CONFLICT (nonce) DO NOTHING;

-- name: set_attempt
UPDATE attempt SET outcome = :outcome, task_id = :task_id, detail = :detail WHERE id = :id;

-- name: get_upload
SELECT url, expires_at FROM upload
WHERE content = :content AND host = :host AND (expires_at IS NULL OR expires_at > :now);

-- name: put_upload
INSERT OR REPLACE INTO upload (content, host, url, expires_at) VALUES (:content, :host, :url, :expires_at);

-- name: entry_of_key
SELECT * FROM entry WHERE job = (SELECT id FROM job WHERE key = :key);

-- name: entry_of_nonce
SELECT * FROM entry WHERE job = (SELECT id / 1048576 FROM attempt WHERE nonce = :nonce);

-- name: known_tasks
-- No index: it is asked once for a lost request, and takes a quarter of a second among a million edits.
SELECT task_id FROM attempt WHERE task_id IN (SELECT value FROM json_each(:task_ids))
UNION
SELECT task_id FROM state WHERE task_id IN (SELECT value FROM json_each(:task_ids));

-- name: page_of_all
SELECT * FROM entry WHERE job > :after ORDER BY job LIMIT :page;

-- name: page_of_open
SELECT * FROM entry WHERE is_open = 1 AND job > :after ORDER BY job LIMIT :page;

-- name: page_of_open_status
SELECT * FROM entry WHERE is_open = 1 AND status = :status AND job > :after ORDER BY job LIMIT :page;

-- name: page_of_ended_status
SELECT * FROM entry WHERE is_open = 0 AND status = :status AND job > :after ORDER BY job LIMIT :page;

-- name: counts
SELECT status, edits, credits_reserved / 1000000.0, credits_used / 1000000.0 FROM total WHERE edits > 0;
