"""Whatever strangers wrote comes out harmless, and nothing that is harmless is lost."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from hypothesis import given, strategies as st

from omniedit.report.text import cut, json_text, playable_url, shown_url, visible

ANYTHING = st.text(st.characters(), max_size=60) | st.sampled_from(
    ["</script>", "<!--", "<script>", "]]>", "\u2028", "\ud800", "\u202e", "\x00", "&lt;", "'\"`", "\\u003c"]
)
TEXTS = st.lists(ANYTHING, max_size=5).map("".join)


class Scripts(HTMLParser):
    """Collects what stands in script elements, and every tag that opens."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note a tag."""
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        """Note what is in it."""
        self.text += data


@given(TEXTS)
def test_json_in_a_script_element_stays_in_it(text: str) -> None:
    """The element ends where it should, and what is read from it is what was written."""
    parser = Scripts()
    parser.feed(f'<script type="application/json">{json_text([text])}</script>')
    parser.close()
    assert parser.tags == ["script"]
    assert json.loads(parser.text) == [text]
    assert json_text([text]).isascii()


@given(TEXTS)
def test_visible_text_hides_and_reorders_nothing(text: str) -> None:
    """It can be encoded, holds no control character but new lines and tabs, and is not changed by doing it again."""
    shown = visible(text)
    shown.encode()
    assert not any(ord(mark) < 32 and mark not in "\n\t" for mark in shown)
    assert not set(shown) & set("\x7f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert visible(shown) == shown


@pytest.mark.parametrize(
    "text", ["Make it snow", "夕方の光に", "اجعل الضوء أدفأ\u200f!", "👩‍🚀 in the snow ❄️", "two\nlines\tand a tab", ""]
)
def test_honest_text_is_left_alone(text: str) -> None:
    """Every language, joined emoji and direction marks are kept as they are."""
    assert visible(text) == text


def test_hidden_characters_are_written_out() -> None:
    """A name that pretends to be another shows that it does."""
    assert visible("photo\u202e4pm.exe\x1b[0m\udcff") == "photo\\u202e4pm.exe\\u001b[0m\\udcff"


def test_cut_text_says_how_much_is_missing() -> None:
    """Long text is bounded, short text untouched."""
    assert cut("abc", 3) == "abc"
    assert cut("a" * 5003, 3) == "aaa … (5,000 more characters)"


@pytest.mark.parametrize(
    ("url", "shown", "playable"),
    [
        ("https://example.com/a.mp4", "https://example.com/a.mp4", True),
        ("http://127.0.0.1:8080/a.mp4?v=2#t=1", "http://127.0.0.1:8080/a.mp4?v=2", True),
        ("https://user:pass@example.com/a.mp4", "https://example.com/a.mp4", False),
        ("https://b.s3.example.com/a.mp4?X-Amz-Signature=abc&v=1", "https://b.s3.example.com/a.mp4?…", False),
        ("https://example.com/a.mp4?token", "https://example.com/a.mp4?…", False),
        ("https://example.com/a.mp4?sv=1&sig=x%3D", "https://example.com/a.mp4?…", False),
        ("javascript://example.com/%0aalert(1)", "javascript://example.com/%0aalert(1)", False),
        ("https://", "https://", False),
        ("https://[bad/a.mp4?token=1", "https://[bad/a.mp4", False),
        ("https://user@[bad/a.mp4", "[bad/a.mp4", False),
        ("https://example.com:99999/a.mp4", "https://example.com:99999/a.mp4", False),
        ("data:video/mp4;base64,AAAA", "data:video/mp4;base64,AAAA", False),
        ("https://example.com/\u202ea.mp4", "https://example.com/\\u202ea.mp4", True),
    ],
)
def test_urls_are_shown_without_their_secrets(url: str, shown: str, *, playable: bool) -> None:
    """Passwords and signatures are left out; what needed them, or is no web address, is not offered for playing."""
    assert shown_url(url) == shown
    assert (playable_url(url) is not None) is playable
