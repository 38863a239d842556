"""The page around the data: template, style and scripts of this folder, and the numbers at the top.

The page's policy allows nothing but its own script and style, by their hashes (CSP level 3), pictures and clips that it
carries or that lie beside it, and, only if there are sources on the web, media from there, which a click asks for.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime
from functools import cache
from html import escape
from importlib.resources import files
from string import Template

import attrs

from omniedit.report.rows import Group, Sums
from omniedit.report.text import json_text, visible

__all__ = ["GENERATOR", "Page", "build_page", "readable_size"]

GENERATOR = '<meta name="generator" content="omniedit">'
"""By this a sheet is known as one of ours, which may be replaced."""
_WORDS = {Group.saved: "saved", Group.open: "under way", Group.attention: "need attention"}


@attrs.frozen
class Page:
    """The document in three parts: rows come between the first two, pictures and clips between the last two."""

    head: str
    middle: str
    tail: str


def build_page(title: str, sums: Sums, *, embedded: bool, posters: str | None, notes: list[str]) -> Page:
    """Build the page for these sums.

    Args:
        title: heading, any text.
        sums: what all edits come to.
        embedded: whether the page carries its clips.
        posters: folder of the pictures, relative to the page; None when the page carries them.
        notes: sentences for the reader, shown below the numbers.
    """
    style, script = _asset("page.css"), _asset("stage.js") + _asset("feed.js")
    text = Template(_asset("page.html")).substitute(
        policy=escape(_policy(style, script, remote=sums.remote, beside=not embedded or posters is not None)),
        title=escape(visible(title)),
        style=style,
        script=script,
        period=_period(sums),
        sums=_numbers(sums),
        meter=_meter(sums),
        notes="\n".join(f'<p class="note">{escape(visible(note))}</p>' for note in notes),
        settings=json_text({"embedded": embedded, "posters": posters}),
    )
    head, _, rest = text.partition("<!-- rows -->")
    middle, _, tail = rest.partition("<!-- clips -->")
    return Page(head, middle, tail)


def readable_size(size: int) -> str:
    """Bytes for people, in powers of 1000."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:,.1f} TB"


@cache
def _asset(name: str) -> str:
    return files("omniedit.report").joinpath(name).read_text(encoding="utf-8")


def _policy(style: str, script: str, *, remote: bool, beside: bool) -> str:
    near = " 'self' file:" if beside else ""
    web = " http: https:" if remote else ""
    return (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:{near}; "
        f"media-src blob:{near}{web}; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _period(sums: Sums) -> str:
    moments = [moment for moment in (sums.first, sums.last) if moment]
    return " – ".join(_time(moment) for moment in moments) or "nothing has happened yet"


def _time(moment: datetime) -> str:
    return f'<time datetime="{escape(moment.isoformat())}">{escape(f"{moment:%Y-%m-%d %H:%M %Z}")}</time>'


def _numbers(sums: Sums) -> str:
    groups = [(_WORDS[group].capitalize(), f"{sums.of(group):,}") for group in _WORDS if sums.of(group)]
    numbers = [("Edits", f"{sums.total:,}"), *groups, ("Credits", _credits(sums))]
    if sums.size:
        numbers.append(("On disk", readable_size(sums.size)))
    return "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in numbers)


def _credits(sums: Sums) -> str:
    total, reserved = (
        f"{amount:,.2f}".rstrip("0").rstrip(".") for amount in (sums.used + sums.reserved, sums.reserved)
    )
    return f"{total} <small>{reserved} only reserved</small>" if sums.reserved else total


def _meter(sums: Sums) -> str:
    """A bar with one part for each section; widths are attributes, since the policy forbids styles in elements."""
    if not sums.total:
        return ""
    words = ", ".join(f"{sums.of(group):,} {word}" for group, word in _WORDS.items() if sums.of(group))
    bars, at = "", 0
    for group in _WORDS:
        bars += f'<rect class="{group}" x="{at}" width="{sums.of(group)}" height="1"/>'
        at += sums.of(group)
    return (
        f'<svg class="meter" role="img" aria-label="{words}" viewBox="0 0 {sums.total} 1" preserveAspectRatio="none">'
        f"{bars}</svg>"
    )
