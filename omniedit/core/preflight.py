"""What is wrong with an edit, or with a clip, before anything is sent: every reason at once.

Rules of this room:
- pure: what needs a disk or a network (does the file exist, can the URL be read) is found out elsewhere;
- reasons are values; `refuse_edit` and `refuse_clip` turn them into one error;
- only what the service documents is refused: it has the last word on the rest.

Sources: the service's documentation of the fields, and of clips (mp4, at most 10 s).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from omniedit.core.addresses import Reach, reach_of_host
from omniedit.errors import InvalidEdit, PreflightFailed
from omniedit.models import Edit

if TYPE_CHECKING:
    from omniedit.models import MediaFacts

__all__ = [
    "LONGEST_CALLBACK",
    "LONGEST_CLIP",
    "TOLERANCE",
    "check_callback",
    "check_edit",
    "check_media",
    "is_host",
    "is_url",
    "refuse_clip",
    "refuse_edit",
]

LONGEST_CLIP = 10.0
"""Seconds, as documented."""
TOLERANCE = 0.1
"""Seconds: the last frame of a clip of 10 s may end a little later."""
LONGEST_CALLBACK = 2048
"""Characters, as documented."""
_VARIANTS = 2**63
"""Journals hold a variant in 64 bits."""

# A second URL behind a space, or behind a comma and the like before the query: a query may hold whole URLs.
_SEVERAL = re.compile(r"(?:\s[\s,;|]*|^[^?#]*[,;|])[a-zA-Z][a-zA-Z0-9+.-]*://")
# A label of a host's name that is empty or over 63 characters: no lookup takes it.
_WRONG_LABEL = re.compile(r"(?:^|\.)(?:\.|[^.]{64})")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_LENGTH = "the result is as long as the clip: cut the clip itself, or write the wish into the prompt"
_SHAPE = "the result has the shape of the clip: crop the clip itself, or write the wish into the prompt"
_WISHES = {
    "duration": _LENGTH,
    "seconds": _LENGTH,
    "aspect_ratio": _SHAPE,
    "resolution": _SHAPE,
    "size": _SHAPE,
    "negative_prompt": 'write it into the prompt, for example "No dialogue"',
    "video_urls": "give the one clip as source",
}


def is_url(source: str) -> bool:
    """Whether a source is a URL; everything else is the path of a local file."""
    return "://" in source or source[:5].lower() == "data:"


def is_host(host: str) -> bool:
    """Whether the host of a URL can be looked up, as far as its form tells."""
    return host != "" and _WRONG_LABEL.search(host) is None


def check_edit(edit: Edit, *, local_service: bool = False) -> tuple[InvalidEdit, ...]:
    """Everything that is wrong with an edit as far as it can be seen without looking at the clip.

    Args:
        edit: what the user wrote.
        local_service: the service itself is on this machine or network (the sandbox), so that sources on loopback and
            private addresses, and callbacks to this machine, over http too, are fine.
    """
    return tuple(_wrongs(edit, local_service=local_service))


def check_callback(
    callback: object, *, local_service: bool = False, field: str = "callback_url"
) -> tuple[InvalidEdit, ...]:
    """Everything that is wrong with an address that the service is to call; `field` is what the user calls it."""
    return tuple(_wrong_callback(callback, field, local_service=local_service))


def check_media(facts: MediaFacts) -> tuple[str, ...]:
    """Everything that is wrong with a clip. Each reason completes "the clip ..."."""
    return tuple(_flaws(facts))


def refuse_edit(edit: Edit, *, local_service: bool = False) -> None:
    """Raise when anything is wrong with an edit.

    Raises:
        InvalidEdit: names the field and the mend; several errors are merged into one.
    """
    errors = check_edit(edit, local_service=local_service)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        text = "; ".join(error.message for error in errors)
        mends = dict.fromkeys(f"{error.field}: {error.mend}" for error in errors)
        raise InvalidEdit(text, field=errors[0].field, mend="; ".join(mends))


def refuse_clip(facts: MediaFacts, source: str) -> None:
    """Raise when anything is wrong with a clip.

    Raises:
        PreflightFailed: with all reasons.
    """
    if reasons := check_media(facts):
        raise PreflightFailed(f"{source}: the clip {'; it '.join(reasons)}", reasons=reasons, mend=_mend(facts))


def _wrongs(edit: object, *, local_service: bool) -> Iterator[InvalidEdit]:
    if not isinstance(edit, Edit):
        yield InvalidEdit(f"an edit must be an Edit, not a {type(edit).__name__}", mend="give Edit(source, prompt)")
        return
    yield from _wrong_prompt(edit.prompt)
    yield from _wrong_source(edit.source, local_service=local_service)
    yield from check_callback(edit.callback_url, local_service=local_service)
    yield from _wrong_settings(edit)
    for field in sorted(edit.unsupported):
        mend = _WISHES.get(field, "leave it out; what the model should do is written into the prompt")
        yield InvalidEdit(f"{field} is not a field of video editing", field=field, mend=mend)


def _wrong_prompt(prompt: object) -> Iterator[InvalidEdit]:
    if not isinstance(prompt, str):
        yield InvalidEdit(f"prompt must be text, not {type(prompt).__name__}", field="prompt", mend="give one string")
    elif not prompt.strip():
        yield InvalidEdit("prompt is empty", field="prompt", mend="say what to change and what to keep")
    elif not _encodable(prompt):
        yield InvalidEdit("prompt has half characters", field="prompt", mend="save it as UTF-8")


def _wrong_source(source: object, *, local_service: bool) -> Iterator[InvalidEdit]:
    if not isinstance(source, str):
        yield _source(
            f"source must be one clip, not a {type(source).__name__}", "give one URL or path; one edit for each clip"
        )
    elif not source.strip():
        yield _source("source is empty", "give the URL or the path of a clip")
    elif not is_url(source):
        if "\0" in source or not _encodable(source):
            yield _source("source is no path: it has characters that no path can have", "give the path of a clip")
    elif _SEVERAL.search(source):
        yield _source("source holds more than one URL", "give exactly one; one edit for each clip")
    else:
        yield from _wrong_url(source, local_service=local_service)


def _wrong_url(source: str, *, local_service: bool) -> Iterator[InvalidEdit]:
    scheme = source.partition(":")[0].lower()
    if scheme not in {"http", "https"}:
        mend = "give the path alone" if scheme == "file" else "give an http or https URL, or the path of a local file"
        yield _source(f"source has the scheme {scheme[:20]!r}; the service fetches http and https", mend)
        return
    url = _split(source)
    if url is None or url.hostname is None or not is_host(url.hostname) or not _clean(source):
        yield _source("source is no URL that can be fetched", "check it for spaces, line ends and a wrong host")
        return
    if url.username is not None or url.password is not None:
        yield _source("source carries a user name or password", "give a presigned URL, or the path of a local file")
    reach = reach_of_host(url.hostname)
    if reach not in {None, Reach.public} and not local_service:
        yield _source(
            f"source is on {url.hostname}, which the service cannot reach from the internet",
            "give the path of the local file, so that it is hosted, or a public URL",
        )


def _wrong_callback(callback: object, field: str, *, local_service: bool) -> Iterator[InvalidEdit]:
    if callback is None:
        return
    if not isinstance(callback, str) or not callback:
        yield _wrong(field, "must be one URL", "give an https URL, or leave it out")
        return
    if len(callback) > LONGEST_CALLBACK:
        yield _wrong(field, f"has {len(callback)} characters", f"at most {LONGEST_CALLBACK}")
    url = _split(callback)
    if url is None or url.hostname is None or not is_host(url.hostname) or not _clean(callback):
        yield _wrong(field, "is no URL", "give an https URL, or leave it out")
        return
    reach = reach_of_host(url.hostname)
    if local_service and reach is Reach.loopback and url.scheme in {"http", "https"}:
        return  # a sandbox beside a receiver: nothing leaves this machine
    if url.scheme != "https":
        yield _wrong(field, f"has the scheme {url.scheme[:20]!r}", "the service calls https only")
    if reach not in {None, Reach.public}:
        yield _wrong(field, f"is on {url.hostname}, which is private", "give a public address")


def _wrong_settings(edit: Edit) -> Iterator[InvalidEdit]:
    model, variant = _loose(edit.model), _loose(edit.variant)
    if not isinstance(model, str) or not model or not _clean(model):
        yield InvalidEdit(f"model {str(model)[:60]!r} is no model's name", field="model", mend="leave it out")
    if not isinstance(variant, int) or isinstance(variant, bool) or variant < 0:
        yield InvalidEdit(f"variant {str(variant)[:60]!r} is no whole number", field="variant", mend="0, 1, 2, ...")
    elif variant >= _VARIANTS:
        yield InvalidEdit(f"variant {str(variant)[:60]} is too large", field="variant", mend="0, 1, 2, ... below 2**63")
    if edit.name is not None:
        from omniedit.core.naming import check_name  # most edits leave their name to us

        try:
            check_name(edit.name)
        except InvalidEdit as error:
            yield error


def _flaws(facts: MediaFacts) -> Iterator[str]:
    if facts.brand == "qt  ":
        yield "is a QuickTime movie, not an mp4"
    if facts.video_codec is None:
        yield "has no video track"
    elif facts.duration is not None and facts.duration > LONGEST_CLIP + TOLERANCE:
        yield f"is {facts.duration:.2f} s long, at most {LONGEST_CLIP:g} s are taken"
    elif facts.duration == 0:
        yield "has a length of zero"


def _mend(facts: MediaFacts) -> str:
    if facts.brand == "qt  ":
        return "rewrap it without loss: ffmpeg -i clip.mov -c copy clip.mp4"
    if facts.video_codec is not None and facts.duration:
        return f"cut it: ffmpeg -i clip.mp4 -t {LONGEST_CLIP:g} -c copy short.mp4"
    return "give an mp4 with at least one frame of video"


def _source(message: str, mend: str) -> InvalidEdit:
    return InvalidEdit(message, field="source", mend=mend)


def _wrong(field: str, what: str, mend: str) -> InvalidEdit:
    return InvalidEdit(f"{field} {what}", field=field, mend=mend)


def _split(url: str) -> SplitResult | None:
    """The parts of a URL; None when it cannot be taken apart (an open bracket, a port that is no number)."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _clean(text: str) -> bool:
    """Whether a text holds whole characters, and neither spaces nor what controls a terminal."""
    return _CONTROL.search(text) is None and _encodable(text)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _loose(value: object) -> object:
    """Look at a field as what it really holds: rows of a manifest are not typed."""
    return value
