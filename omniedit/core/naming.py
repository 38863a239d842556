"""Names of result files: templates, safe characters, collisions.

Rules of this room:
- a name is one component: nothing made or accepted here can leave its folder;
- what people wrote is refused when it is wrong (`check_name`), what the library makes up is mended (`safe_name`);
- a name fits 255 bytes of UTF-8, and works on every file system people copy clips to.
"""

from __future__ import annotations

import hashlib
import re
import string
import unicodedata
from pathlib import PurePath
from urllib.parse import unquote, urlsplit

from omniedit.errors import InvalidEdit
from omniedit.models import DEFAULT_TEMPLATE, Edit

__all__ = [
    "DEFAULT_TEMPLATE",
    "MOST_BYTES",
    "beside",
    "check_name",
    "check_path",
    "check_template",
    "fallback_name",
    "part_name",
    "render",
    "safe_name",
    "stem_of",
]

MOST_BYTES = 255
_SUFFIX = ".mp4"
# Room that `safe_name` leaves for `-12345678`, `.mp4` and `.part.json`.
_STEM_BYTES = MOST_BYTES - 32
# What controls a terminal or ends a line, what a path or Windows gives another meaning, and half characters.
_WRONG = re.compile(r'[\x00-\x1f\x7f-\x9f/\\:*?"<>|\u2028\u2029\ud800-\udfff]')
# What no name can hold that files beside it are to be named after.
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
# Characters that turn or hide the writing direction: a name must read as it is.
_HIDDEN = re.compile("[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]) *(?:\.|$)", re.IGNORECASE)
_FIELDS = ("stem", "key", "key8", "name", "variant", "index")


def render(template: str, edit: Edit, index: int | None = None) -> str:
    """The name of an edit's result; `edit.name` wins over the template. It always ends in `.mp4`.

    Fields of a template: `{stem}` of the source, `{key}` and its first eight digits `{key8}`, `{variant}`, `{name}`
    (the stem of `edit.name`, else `{stem}`) and `{index}` (position in the batch, from 1; formats such as
    `{index:05}` work).

    Raises:
        InvalidEdit: the name is wrong, or the template.
    """
    if edit.name is not None:
        return check_name(edit.name)
    stem = stem_of(edit.source)
    values = {
        "stem": stem,
        "key": edit.key,
        "key8": edit.key[:8],
        "name": stem,
        "variant": edit.variant,
        "index": index or 0,
    }
    check_template(template)
    return safe_name(template.format_map(values)) + _SUFFIX


def check_template(template: str) -> None:
    """Refuse a template that no edit could be named by.

    Raises:
        InvalidEdit: an unknown field, attribute access or a broken brace; `field` is `name`.
    """
    if (wrong := _wrong_with_template(template)) is not None:
        raise InvalidEdit(
            f"the name template {template!r} {wrong}",
            field="name",
            mend="use the fields " + ", ".join(f"{{{name}}}" for name in _FIELDS),
        )


def check_path(path: str) -> str:
    """The path that somebody chose for one result, or a refusal: its last part must be a name that files can have.

    Raises:
        InvalidEdit: `field` is `save_to`.
    """
    name = PurePath(path).name
    if name in {"", ".."} or _UNWRITABLE.search(name) or len(name.encode()) > MOST_BYTES:
        raise InvalidEdit(
            f"save_to {path[-80:]!r} names no file that can be written",
            field="save_to",
            mend=f"a name has at most {MOST_BYTES} bytes of UTF-8, and no half characters",
        )
    return path


def check_name(name: object) -> str:
    """The name as the file will have it (`.mp4` is added when it is missing), or a refusal.

    Raises:
        InvalidEdit: it would leave the folder, or no file can have it; `field` is `name`.
    """
    if not isinstance(name, str):
        raise InvalidEdit(f"name must be text, not {type(name).__name__}", field="name", mend="quote it")
    if (wrong := _wrong_with(name)) is not None:
        raise InvalidEdit(
            f"name {name[:80]!r} {wrong}", field="name", mend="give one plain file name, such as warm.mp4"
        )
    full = name if name.lower().endswith(_SUFFIX) else name + _SUFFIX
    if len(full.encode()) > MOST_BYTES:
        raise InvalidEdit(
            f"name {name[:40]!r}... is {len(full.encode())} bytes long in UTF-8",
            field="name",
            mend=f"at most {MOST_BYTES} bytes, .mp4 included",
        )
    return full


def safe_name(text: str) -> str:
    """A stem that any file system takes, made from any text; never empty, at most 223 bytes of UTF-8."""
    text = _WRONG.sub("_", _HIDDEN.sub("", unicodedata.normalize("NFC", text)))
    text = text.lstrip(" .-").rstrip(" .")
    if _RESERVED.match(text):
        text = "_" + text
    return _cut(text, _STEM_BYTES).rstrip(" .") or "clip"


def stem_of(source: object) -> str:
    """The name of a source without its suffix: the last segment of a URL's path, or of a local path; safe."""
    text = source if isinstance(source, str) else ""
    last = unquote(_path_of(text).rstrip("/").rpartition("/")[2]) if "://" in text else PurePath(text).name
    stem, dot, suffix = last.rpartition(".")
    return safe_name(stem if dot and stem and len(suffix) <= 5 else last)


def fallback_name(name: str, edit: Edit) -> str:
    """The name used when another edit has taken the one that was rendered: `stem-12345678.mp4`."""
    return beside(name, edit.key[:8])


def beside(name: str, mark: str) -> str:
    """A name next to a taken one: `stem-mark.mp4`, cut to fit."""
    stem = name[: -len(_SUFFIX)] if name.lower().endswith(_SUFFIX) else name
    tail = f"-{safe_name(mark)}{_SUFFIX}"
    return _cut(stem, MOST_BYTES - len(tail.encode())) + tail


def part_name(name: str, suffix: str = ".part") -> str:
    """The name of an unfinished file; a name that leaves no room is cut and marked with its digest."""
    if len(name.encode()) + len(".part.json") <= MOST_BYTES:
        return name + suffix
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{_cut(name, _STEM_BYTES)}-{digest[:12]}{suffix}"


def _wrong_with_template(template: str) -> str | None:
    """What is wrong with a template; fields inside formats, attributes and items are refused as unknown fields."""
    if not _is_text(template):
        return "is no text"
    try:
        fields = [(name, form or "") for _, name, form, _ in string.Formatter().parse(template) if name is not None]
        unknown = [name for name, form in fields if name not in _FIELDS or "{" in form]
        if not unknown:
            template.format(**dict.fromkeys(("stem", "key", "key8", "name"), "x"), variant=0, index=0)
    except ValueError as error:
        return f"cannot be used: {error}"
    return f"has an unknown field {{{unknown[0]}}}" if unknown else None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _wrong_with(name: str) -> str | None:
    """What is wrong with a name that somebody wrote; None when nothing is."""
    bare = name.strip(" .")
    if not bare:
        return "names no file"
    if "/" in name or "\\" in name or re.match(r"[a-zA-Z]:", name):
        return "leaves the output folder"
    if _WRONG.search(name) or _HIDDEN.search(name):
        return "has characters that a file name cannot have everywhere"
    if name != name.rstrip(" .") or name.startswith(" "):
        return "begins with a space, or ends with a space or a dot"
    if _RESERVED.match(name):
        return "is reserved on Windows"
    return None


def _cut(text: str, most: int) -> str:
    """The longest beginning that fits so many bytes of UTF-8, without half characters."""
    return text.encode()[:most].decode(errors="ignore")


def _path_of(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""
