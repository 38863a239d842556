"""Hostile text made harmless: what a stranger wrote may be shown, and does nothing else.

Prompts, names, paths and messages come from manifests, file systems and servers. They reach the page only as JSON in
script blocks that no browser runs, and the page sets them as text, never as markup.
"""

from __future__ import annotations

import json
import re
from urllib.parse import SplitResult, parse_qsl, urlsplit

__all__ = ["cut", "json_text", "playable_url", "shown_url", "visible"]

# Control characters, the explicit directions of Unicode (UAX #9: embeddings, overrides, isolates) and lone surrogates.
# Marks such as U+200F stay, since right-to-left prompts need them.
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
# Inside a script element only `<` matters to the HTML parser (HTML standard, 13.2.5.4); the others for good measure.
_MARKUP = str.maketrans({mark: f"\\u{ord(mark):04x}" for mark in "<>&"})
_SECRET = re.compile(r"sig|token|key|secret|credential|password|passwd|auth|policy|expires", re.IGNORECASE)
_WEB = {"http", "https"}


def visible(text: str) -> str:
    """The text with every character that hides or reorders others written out by number; new lines and tabs stay."""
    return _INVISIBLE.sub(lambda found: f"\\u{ord(found.group()):04x}", text.replace("\r\n", "\n"))


def cut(text: str, most: int) -> str:
    """At most so many characters, and a word on how many more there were."""
    return text if len(text) <= most else f"{text[:most]} … ({len(text) - most:,} more characters)"


def json_text(value: object) -> str:
    """JSON in ASCII that cannot end, open or comment out the script element it stands in."""
    return json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")).translate(_MARKUP)


def shown_url(url: str) -> str:
    """A URL for people: without user and password, and without a query that looks like a signature or a key."""
    parts = _split(url)
    if parts is None:
        return visible(url.partition("?")[0].rpartition("@")[2])
    query = "…" if _signed(parts) else parts.query
    return visible(parts._replace(netloc=_host(parts), query=query, fragment="").geturl())


def playable_url(url: str) -> str | None:
    """The URL when a page may offer to fetch it: http(s), and no secret in it; None otherwise."""
    parts = _split(url)
    if parts is None or parts.scheme not in _WEB or _host(parts) != parts.netloc or not parts.hostname:
        return None
    return None if _signed(parts) else parts._replace(fragment="").geturl()


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises on a port that is none
    except ValueError:
        return None
    return parts


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def _signed(parts: SplitResult) -> bool:
    return any(_SECRET.search(name) for name, _ in parse_qsl(parts.query, keep_blank_values=True))
