"""Bringing one file home over HTTP: every decision of it, as values.

Rules of this room:
- pure: what lies on disk, what the server answered and how often it failed come in; what to do next goes out;
- bytes of two versions are never mixed: what lies on disk is continued only under the same strong ETag and the same
  length (RFC 9110, sections 8.8.3, 13.1.5 and 14), else it is thrown away;
- a failure that brought new bytes does not count against the file, one that brought none does; both are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urljoin, urlsplit

import attrs

from omniedit.core.addresses import Reach, reach_of_host
from omniedit.core.httpdate import read_date
from omniedit.errors import DownloadFailed, LinkExpired

__all__ = [
    "Failure",
    "Fetch",
    "MOST_REDIRECTS",
    "MOST_SIZE",
    "NEAR_DEADLINE",
    "Part",
    "Receive",
    "Retry",
    "Tries",
    "Verify",
    "after_failure",
    "broken_body",
    "download_order",
    "end_of_body",
    "first_step",
    "follow",
    "grace_of_link",
    "is_near",
    "read_number",
    "read_reply",
    "refuse_url",
    "stalled",
]

MOST_REDIRECTS = 5
MOST_SIZE = 2 * 1024**3
"""Bytes of one result; the default cap."""
NEAR_DEADLINE = timedelta(minutes=30)
"""From here on a download overtakes everything else."""
# Downloads of one size take unequal time: a link is given up for others a little before the mean says so.
_MARGIN = 1.5
_MOST_TRIES = 200
_MOST_FRUITLESS = 5
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_LONGEST_RETRY_AFTER = 300.0
_LINK_PAUSES = (0.0, 2.0, 15.0)  # seconds before each further look at the task of a link that leads nowhere
# Answers that another try may turn into success; every other 4xx means that this link leads nowhere.
_PASSING = frozenset({408, 425, 429})
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.IGNORECASE)


@attrs.frozen
class Part:
    """What lies on disk of a file, and which version of it."""

    size: int = 0
    etag: str | None = None
    """A strong validator with its quotes; without one the rest cannot be asked for."""
    length: int | None = None
    """Bytes of the whole file, when the server has told."""


@attrs.frozen
class Fetch:
    """Ask for the file from `offset` on, on condition that it is still the same version."""

    offset: int = 0
    if_range: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Request headers. Encodings are refused: a length must mean the same on the wire and on disk."""
        headers = {"Accept-Encoding": "identity"}
        if self.offset and self.if_range:
            headers |= {"Range": f"bytes={self.offset}-", "If-Range": self.if_range}
        return headers


@attrs.frozen
class Receive:
    """Write the body from `offset` on; 0 throws away what is there."""

    offset: int
    etag: str | None
    length: int | None


@attrs.frozen
class Verify:
    """Everything is there: look whether it is what it should be."""


@attrs.frozen
class Failure:
    """What went wrong with one try."""

    code: str
    message: str
    discard: bool = False
    """What lies on disk is worth nothing."""
    final: bool = False
    """Another try of the same link would end the same way."""
    retry_after: float | None = None
    """Seconds that the server asked for."""


@attrs.frozen
class Retry:
    """Try again after so many seconds."""

    delay: float
    tries: Tries


@attrs.frozen
class Tries:
    """How often one file was tried, and how far it ever came."""

    total: int = 0
    fruitless: int = 0
    """Tries in a row that brought nothing new."""
    best: int = 0

    def failed(self, size: int) -> Tries:
        """Count one more failure that left so many bytes."""
        fruitless = 0 if size > self.best else self.fruitless + 1
        return Tries(self.total + 1, fruitless, max(self.best, size))


def first_step(part: Part) -> Fetch | Verify:
    """What to do with what lies on disk."""
    if part.size == 0 or part.etag is None:
        return Fetch()
    if part.length is not None and part.size >= part.length:
        return Verify() if part.size == part.length else Fetch()
    return Fetch(part.size, part.etag)


def read_reply(
    part: Part, fetch: Fetch, status: int, headers: Mapping[str, str], *, cap: int = MOST_SIZE
) -> Receive | Failure:
    """Judge the head of an answer.

    Args:
        part: what lies on disk.
        fetch: what was asked for.
        status: the HTTP status.
        headers: with lower-case names.
        cap: the most bytes that a file may have.
    """
    if status not in {200, 206}:
        return _refused(status, headers)
    if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        return Failure("encoded", "the media host sends the clip compressed, which was not asked for", final=True)
    if headers.get("content-type", "").lower().startswith(("text/html", "application/xhtml")):
        return Failure("not_a_video", "the media host answers with an HTML page instead of the clip")
    received = _whole(headers) if status == 200 else _rest(part, fetch, headers)
    if isinstance(received, Receive) and received.length is not None and received.length > cap:
        return _too_large(received.length, cap)
    return received


def end_of_body(receive: Receive, size: int, *, cap: int = MOST_SIZE) -> Verify | Failure:
    """Judge where a body ended without an error: `size` bytes lie on disk."""
    if size > cap:
        return _too_large(size, cap)
    if receive.length is None or size == receive.length:
        return Verify() if size else Failure("cut", "the media host sent nothing")
    if size > receive.length:
        return Failure("wrong_length", "the media host sent more bytes than it announced", discard=True)
    return Failure("cut", f"the clip was cut off after {size} of {receive.length} bytes")


def broken_body(reason: str, *, size: int) -> Failure:
    """What was fetched is complete and yet no clip: it is fetched again, from the start."""
    return Failure("not_a_video", f"what the media host sent ({size} bytes) {reason}", discard=True)


def stalled(seconds: float) -> Failure:
    """Too little came for too long."""
    return Failure("stalled", f"the media host sent next to nothing for {seconds:g} s")


def after_failure(failure: Failure, tries: Tries, size: int, jitter: float) -> Retry | DownloadFailed:
    """Try again, or the error to end with.

    Args:
        failure: what went wrong.
        tries: as counted before it.
        size: bytes that lie on disk and will be continued.
        jitter: from 0 to 1, so that many downloads do not come back at the same instant.
    """
    if failure.code == "link_dead":
        return LinkExpired(failure.message, code="link_dead", mend="look the task up for a fresh link")
    tries = tries.failed(size)
    if failure.final or tries.fruitless >= _MOST_FRUITLESS or tries.total >= _MOST_TRIES:
        return DownloadFailed(failure.message, code=failure.code, mend="resume later: the clip is paid for and waits")
    pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**tries.fruitless) * (0.5 + 0.5 * jitter)
    return Retry(max(pause, min(failure.retry_after or 0.0, _LONGEST_RETRY_AFTER)), tries)


def follow(url: str, location: str | None, hops: int) -> str | Failure:
    """Where a redirect leads, or why it is not followed. `hops` redirects were followed before it."""
    if hops >= MOST_REDIRECTS:
        return _unsafe(f"more than {MOST_REDIRECTS} redirects")
    try:
        target = urljoin(url, (location or "").strip())
        parts = urlsplit(target)
        _ = parts.port
    except ValueError:
        return _unsafe("a redirect to something that is no URL")
    if not location or not parts.hostname:
        return _unsafe("a redirect that does not say where to")
    if parts.scheme not in {"http", "https"}:
        return _unsafe(f"a redirect to the scheme {parts.scheme[:20]!r}")
    if parts.scheme == "http" and urlsplit(url).scheme == "https":
        return _unsafe("a redirect from https down to http")
    if "@" in parts.netloc:
        return _unsafe("a redirect with a user name in it")
    return target


def refuse_url(url: str, *, allow_private: bool) -> Failure | None:
    """Why nothing may be fetched from a URL, as far as it shows without a lookup; None when nothing is wrong."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return _unsafe("a link that is no URL")
    if parts.scheme not in {"http", "https"} or not host:
        return _unsafe("a link that is no http or https URL")
    reach = reach_of_host(host)
    if reach is Reach.never or (reach in {Reach.loopback, Reach.private} and not allow_private):
        return Failure("unsafe_address", f"the link leads to {host}, which is no public address", final=True)
    return None


def download_order(deadline: datetime | None, now: datetime, expected: timedelta) -> tuple[bool, float]:
    """Sort key of a waiting download: smallest first.

    Earliest deadline first; a link that cannot be fetched before it dies goes behind all others, so that it does not
    take the rest down with it (it is still tried: a link may live longer than promised). For downloads of about one
    size this saves about as many as can be saved (Moore and Hodgson).

    Args:
        deadline: when the link is treated as dead; None when it is not known.
        now: the present.
        expected: how long one download takes at present.
    """
    if deadline is None:
        return (False, float("inf"))
    return (deadline < now + _MARGIN * expected, deadline.timestamp())


def is_near(deadline: datetime | None, now: datetime) -> bool:
    """Whether a download must overtake everything else, polls included."""
    return deadline is not None and deadline - now <= NEAR_DEADLINE


def grace_of_link(deadline: datetime | None, now: datetime, renewals: int) -> float | None:
    """Seconds to wait before a link that leads nowhere is asked for again, and tried even if it is the same one.

    A link that should live may only not be known everywhere yet. None when its time is over: the same link is no news.

    Args:
        deadline: when the link is treated as dead; None when it is not known.
        now: the present.
        renewals: how often it was asked for again before.
    """
    if deadline is None or now >= deadline:
        return None
    return _LINK_PAUSES[min(renewals, len(_LINK_PAUSES) - 1)]


def read_number(text: str | None) -> int | None:
    """What a header such as `Content-Length` says, in digits and nothing else; None when it says nothing clear."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 19 else None


def _refused(status: int, headers: Mapping[str, str]) -> Failure:
    message = f"the media host answered {status}"
    if status == 416:
        return Failure("wrong_range", message, discard=True)
    if 400 <= status < 500 and status not in _PASSING:
        return Failure("link_dead", message, final=True)
    return Failure("media_host_failed", message, retry_after=_retry_after(headers))


def _whole(headers: Mapping[str, str]) -> Receive:
    return Receive(0, _strong(headers.get("etag")), read_number(headers.get("content-length")))


def _rest(part: Part, fetch: Fetch, headers: Mapping[str, str]) -> Receive | Failure:
    """Judge a 206: it must continue exactly what lies on disk."""
    found = _CONTENT_RANGE.fullmatch(headers.get("content-range", "").strip())
    if not fetch.offset or found is None or int(found[1]) != fetch.offset:
        return Failure("wrong_range", "the media host sent another range than was asked for", discard=True)
    total = part.length if found[3] == "*" else int(found[3])
    etag = headers.get("etag", part.etag)
    if etag != part.etag or (part.length is not None and total != part.length):
        return Failure("changed", "the clip changed on the media host meanwhile", discard=True)
    return Receive(fetch.offset, part.etag, total)


def _too_large(size: int, cap: int) -> Failure:
    return Failure("too_large", f"the clip has at least {size} bytes, the cap is {cap}", discard=True, final=True)


def _unsafe(what: str) -> Failure:
    return Failure("unsafe_redirect", f"the media host answered with {what}", final=True)


def _strong(etag: str | None) -> str | None:
    """A strong validator, or None: a weak one does not promise the same bytes (RFC 9110, 8.8.3)."""
    text = (etag or "").strip()
    return text if len(text) <= 256 and re.fullmatch(r'"[\x21\x23-\x7e\x80-\xff]*"', text) else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds from `Retry-After`; its date form counts from the answer's own `Date`."""
    text = headers.get("retry-after", "").strip()
    if (seconds := read_number(text)) is not None:
        return float(seconds)
    then, now = read_date(text), read_date(headers.get("date", ""))
    return (then - now).total_seconds() if then and now else None
