"""Every switch of the sandbox, with its default and the reason for it.

Marks: [D] the service documents it; [C] the service's own newer clients rely on it, no public page promises it;
[U] nobody has published it; [S] a choice of this sandbox. What is not [D] is a switch here, because a client must
work either way. All times are seconds of sandbox time (see ``time_scale``), all sizes bytes, all prices credits.
"""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen
from attrs.validators import ge, gt, in_

__all__ = ["Lane", "Limit", "LimitKind", "MODELS", "Settings"]

Lane = Literal["submit", "poll", "other"]
LimitKind = Literal["token_bucket", "fixed_window", "sliding_window", "live_tasks", "concurrent"]

MODELS = ("gemini-omni-flash-video-edit", "gemini-omni-1.1-flash-video-edit")
"""The documented model and its newer sibling [C]."""


@frozen(kw_only=True)
class Limit:
    """One limit per API key. Lanes named in one limit share it; two limits with one lane each count apart.

    ``token_bucket``: ``amount`` requests per ``per`` seconds, at most ``burst`` at once (default: ``amount``).
    ``fixed_window``: ``amount`` requests in each window of ``per`` seconds, aligned to the epoch.
    ``sliding_window``: ``amount`` requests in any ``per`` seconds.
    ``live_tasks``: ``amount`` unfinished tasks; ``concurrent``: ``amount`` requests being answered at one time.
    ``schedule``: pairs of (seconds since start, new amount), in rising order.
    """

    kind: LimitKind = field(
        validator=in_(("token_bucket", "fixed_window", "sliding_window", "live_tasks", "concurrent"))
    )
    amount: float = field(validator=ge(0))
    per: float = field(default=60.0, validator=gt(0))
    burst: float | None = None
    lanes: tuple[Lane, ...] = ("submit", "poll")
    schedule: tuple[tuple[float, float], ...] = ()

    def amount_at(self, elapsed: float) -> float:
        """The amount in force ``elapsed`` seconds after the server's start."""
        return next((amount for start, amount in reversed(self.schedule) if start <= elapsed), self.amount)


@frozen(kw_only=True)
class Settings:
    """How the sandbox behaves; the defaults make a patient, unlimited service that answers in a second or two."""

    # Time: a choice of this sandbox
    task_seconds: float = field(default=1.5, validator=ge(0))
    """Median duration of a task; durations are lognormal around it."""
    task_spread: float = field(default=0.2, validator=ge(0))
    """Standard deviation of the logarithm of the duration; 0 makes all tasks alike."""
    pending_seconds: float = field(default=0.2, validator=ge(0))
    """How long a task stays ``pending``, at most half of its duration."""
    estimate_factor: float = field(default=1.0, validator=gt(0))
    """``estimated_time`` is the median duration times this: a wrong estimate on purpose."""
    time_scale: float = field(default=1.0, validator=gt(0))
    """Seconds of sandbox time in one real second: 60 makes a minute pass in a second."""
    virtual_time: bool = False
    """Time stands still until ``advance`` moves it."""
    seed: int = 0
    """Seed of durations, progress and task ids."""

    # Progress, about which nothing is published
    progress: Literal["steady", "noisy"] = field(default="steady", validator=in_(("steady", "noisy")))
    progress_dead_share: float = field(default=0.0, validator=[ge(0)])
    """Share of the tasks whose progress stays 0 until they end."""

    # Money
    credits: float = field(default=1_000_000.0, validator=ge(0))
    """What each new key starts with."""
    credits_per_second: float = field(default=6.3607, validator=ge(0))
    """Input and output video: 5,792 tokens a second each, 0.0867 and 1.0115 credits per 1,000 tokens [D]."""
    reserved_seconds: float = field(default=10.0, validator=ge(0))
    """Submit never looks at the clip, so it reserves for the longest one [S]."""

    # Requests
    models: tuple[str, ...] = MODELS
    idempotency: Literal["honoured", "ignored", "conflict", "unknown"] = field(
        default="honoured", validator=in_(("honoured", "ignored", "conflict", "unknown"))
    )
    """[C] Same key again: the original task; a new task; ``idempotency_conflict``; ``paid_outcome_unknown``."""
    idempotency_seconds: float = field(default=86_400.0, validator=gt(0))
    """[U] How long a key is remembered."""
    conflict_status: int = 409
    """[U] HTTP status of ``idempotency_conflict`` and ``paid_outcome_unknown``."""
    bad_callback: Literal["refused", "dropped"] = field(default="refused", validator=in_(("refused", "dropped")))
    """[U] A ``callback_url`` that breaks the documented rules: refused with 400, or accepted and never called."""
    allow_local_callbacks: bool = True
    """[S] Allows http and loopback addresses in ``callback_url``, which the service refuses: else nobody could test."""

    # Limits
    limits: tuple[Limit, ...] = ()
    """[U] No limits are published, so none by default."""
    cap_shows_as: Literal["429", "failed_task"] = field(default="429", validator=in_(("429", "failed_task")))
    """A full ``live_tasks`` limit refuses the submit, or accepts a task that fails with ``quota_exceeded`` [D]."""
    retry_after: Literal["seconds", "date", "none"] = field(
        default="seconds", validator=in_(("seconds", "date", "none"))
    )
    """[U] The form of ``Retry-After`` on 429."""
    rate_headers: Literal["none", "RateLimit", "X-RateLimit"] = field(
        default="none", validator=in_(("none", "RateLimit", "X-RateLimit"))
    )
    """None are published; the two families in use elsewhere on order."""

    # Replies
    usage_on_get: bool = True
    """[C] ``usage``, ``billing`` and ``duration`` in the answer of a finished task."""
    cancelled_as: Literal["cancelled", "canceled", "request_cancelled"] = field(
        default="cancelled", validator=in_(("cancelled", "canceled", "request_cancelled"))
    )
    """A cancelled task: one of two spellings of the status, or ``failed`` with code ``request_cancelled``."""
    bulk: Literal["on", "404", "405"] = field(default="on", validator=in_(("on", "404", "405")))
    """[C] ``POST /v1/tasks/batch``."""
    listing: Literal["on", "404", "405"] = field(default="on", validator=in_(("on", "404", "405")))
    """[C] ``GET /v1/tasks``."""

    # Result links
    link_seconds: float = field(default=86_400.0, validator=gt(0))
    """[D] 24 hours."""
    link_renewal: bool = False
    """[U] Whether reading the task again after the link died gives a fresh one; nothing promises it."""
    link_expiry_in_url: bool = False
    """[U] Whether the link carries ``?expires=<unix seconds>``."""
    dead_link_status: Literal[403, 404, 410] = field(default=403, validator=in_((403, 404, 410)))
    """[U] What an expired link answers."""
    refuse_urllib: bool = True
    """[C] The service's CDN refuses the default User-Agent of urllib on result links."""

    # Editing, a choice of this sandbox
    editing: Literal["real", "copy", "canned"] = field(default="real", validator=in_(("real", "copy", "canned")))
    """Edit the frames; hand the input back as it is; or give everybody one tiny mp4 without fetching the input."""
    edit_workers: int = field(default=2, validator=ge(1))
    """Editing processes."""
    edit_timeout: float = field(default=120.0, validator=gt(0))
    """Real seconds for one edit, then the task fails with ``generation_timeout``."""
    fetch_workers: int = field(default=16, validator=ge(1))
    fetch_timeout: float = field(default=30.0, validator=gt(0))
    """Real seconds for fetching one input."""
    max_input_bytes: int = field(default=100_000_000, validator=gt(0))
    max_input_seconds: float = field(default=10.1, validator=gt(0))
    """[D] 10 s, judged on the video track with a tolerance of 0.1 s."""
    cache_bytes: int = field(default=2_000_000_000, validator=gt(0))
    """Inputs and results kept on disk; the least recently used go first, and their links answer 404."""

    # Files
    files_accept_video: bool = True
    """Pages of the service list images only, a published client says video up to 100 MB."""
    max_files: int = field(default=100, validator=ge(0))
    """[S] Files per key."""
    max_file_bytes: int = field(default=100_000_000, validator=gt(0))
    refuse_uploads_with_200: bool = False
    """[C] An upload that is not kept answers 400 or 403, or HTTP 200 with ``success: false``."""
    file_seconds: float = field(default=259_200.0, validator=gt(0))
    """[D] 72 hours."""

    # Callbacks, as documented
    callback_timeout: float = field(default=10.0, validator=gt(0))
    """Real seconds."""
    callback_delays: tuple[float, ...] = (1.0, 2.0, 4.0)
    """Before each further try."""
    callback_workers: int = field(default=64, validator=ge(1))
    """[S] Callbacks on the wire at once."""

    # Bounds of memory, a choice of this sandbox
    keep_tasks: int = field(default=100_000, validator=gt(0))
    """Oldest finished tasks are forgotten beyond this."""
    keep_requests: int = field(default=100_000, validator=gt(0))
