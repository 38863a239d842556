-- Totals are kept with every move, so that a journal of a million edits is counted in a moment. Credits are whole
-- millionths: sums of integers are exact, in whatever order edits come and go.

CREATE TABLE total (
    status PRIMARY KEY,
    edits INTEGER NOT NULL,
    credits_reserved INTEGER NOT NULL,
    credits_used INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO total (status, edits, credits_reserved, credits_used)
SELECT
    status, count(*),
    coalesce(sum(CAST(round(credits_reserved * 1000000) AS INTEGER)), 0),
    coalesce(sum(CAST(round(credits_used * 1000000) AS INTEGER)), 0)
FROM state
GROUP BY status;

CREATE TRIGGER state_added AFTER INSERT ON state
BEGIN
    INSERT INTO total (status, edits, credits_reserved, credits_used)
    VALUES (
        NEW.status, 1,
        coalesce(CAST(round(NEW.credits_reserved * 1000000) AS INTEGER), 0),
        coalesce(CAST(round(NEW.credits_used * 1000000) AS INTEGER), 0)
    )
    ON CONFLICT (status) DO UPDATE SET
        edits = edits + 1,
        credits_reserved = credits_reserved + excluded.credits_reserved,
        credits_used = credits_used + excluded.credits_used;
END;

CREATE TRIGGER state_moved AFTER UPDATE ON state
WHEN NEW.status IS NOT OLD.status
    OR NEW.credits_reserved IS NOT OLD.credits_reserved
    OR NEW.credits_used IS NOT OLD.credits_used
BEGIN
    UPDATE total SET
        edits = edits - 1,
        credits_reserved = credits_reserved - coalesce(CAST(round(OLD.credits_reserved * 1000000) AS INTEGER), 0),
        credits_used = credits_used - coalesce(CAST(round(OLD.credits_used * 1000000) AS INTEGER), 0)
    WHERE status = OLD.status;
    INSERT INTO total (status, edits, credits_reserved, credits_used)
    VALUES (
        NEW.status, 1,
        coalesce(CAST(round(NEW.credits_reserved * 1000000) AS INTEGER), 0),
        coalesce(CAST(round(NEW.credits_used * 1000000) AS INTEGER), 0)
    )
    ON CONFLICT (status) DO UPDATE SET
        edits = edits + 1,
        credits_reserved = credits_reserved + excluded.credits_reserved,
        credits_used = credits_used + excluded.credits_used;
END;

-- The counts need nothing of this index any more: it only finds the ends of one status, in their order.
DROP INDEX state_ended;
CREATE INDEX state_ended ON state (status, job) WHERE is_open = 0;
