"""Manifests: what is taken, and what is refused with its line, its field and its mend."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from omniedit.cli.manifest import Manifest, ManifestError
from omniedit.models import Edit

HEADER = "source,prompt,name,variant\n"


def written(folder: Path, text: str | bytes, name: str = "m.csv") -> Manifest:
    """A manifest with this content."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Manifest(path)


def problem(folder: Path, text: str | bytes, name: str = "m.csv", template: str = "{stem}") -> ManifestError:
    """The one thing that is wrong with it."""
    judged = written(folder, text, name).judge(template)
    (found,) = judged.problems
    return found


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "with BOM"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["unix", "windows"])
def test_csv_gives_edits_in_order(tmp_path: Path, mark: str, newline: str) -> None:
    """Quotes, commas, line ends inside a cell, empty lines, other languages."""
    lines = [
        "Source,prompt,name,variant",
        'a.mp4,"snow, gently",snow.mp4,',
        "",
        "b.mp4,雪を降らせて,,2",
        'c.mp4,"x\ny",,',
    ]
    manifest = written(tmp_path, mark + newline.join(lines))
    assert manifest.judge().problems == ()
    assert list(manifest.edits()) == [
        Edit("a.mp4", "snow, gently", name="snow.mp4"),
        Edit("b.mp4", "雪を降らせて", variant=2),
        Edit("c.mp4", "x\ny"),
    ]


def test_the_same_edit_twice_is_counted_once(tmp_path: Path) -> None:
    """What a bar goes up to is what will end."""
    manifest = written(tmp_path, "source,prompt\na.mp4,x\nb.mp4,x\na.mp4,x\n")
    assert manifest.judge().edits == 2


def test_json_lines_give_edits_in_order(tmp_path: Path) -> None:
    """Optional keys, null for none, empty lines, a byte order mark."""
    rows: list[dict[str, object]] = [
        {"source": "a.mp4", "prompt": "雪", "name": None},
        {"source": "b", "prompt": "y", "variant": 3},
    ]
    text = "\ufeff" + "\n\n".join(json.dumps(row) for row in rows)
    manifest = written(tmp_path, text, "m.jsonl")
    assert manifest.judge().edits == 2
    assert list(manifest.edits()) == [Edit("a.mp4", "雪"), Edit("b", "y", variant=3)]


@pytest.mark.parametrize(
    ("text", "line", "field", "words"),
    [
        ("", 1, "source", "begin with the header"),
        ("source,wish\na,b\n", 1, "wish", "written into the prompt"),
        ("source,prompt,duration\na,b,5\n", 1, "duration", "write the wish into the prompt"),
        ("source,prompt,aspect_ratio\na,b,1:1\n", 1, "aspect_ratio", "write the wish into the prompt"),
        ("source,prompt,negative_prompt\na,b,c\n", 1, "negative_prompt", "write it into the prompt"),
        ("source,prompt,prompt\na,b,c\n", 1, "prompt", "is there twice"),
        ("source,prompt,name,name\na,b,c,d\n", 1, "name", "is there twice"),
        ("source;prompt\na;b\n", 1, None, "separate them with commas"),
        ("source\na\n", 1, "prompt", "is missing"),
        ("source,prompt\na.mp4,snow, gently\n", 2, None, "into quotes"),
        ('source,prompt\na.mp4,snow\nb.mp4,"snow\n', 3, None, "broken CSV"),
        (HEADER + "a.mp4,x,,two\n", 2, "variant", "whole number"),
        (HEADER + "a.mp4,x,,-1\n", 2, "variant", "whole number"),
        (HEADER + f"a.mp4,x,,{2**63}\n", 2, "variant", "below 2**63"),
        (HEADER + f"a.mp4,x,,{'9' * 5000}\n", 2, "variant", "below 2**63"),
        (HEADER + "a.mp4,x,../up.mp4,\n", 2, "name", "leaves the output folder"),
        (HEADER + "a.mp4,x,/tmp/up.mp4,\n", 2, "name", "leaves the output folder"),
        (HEADER + "a.mp4,x,NUL.mp4,\n", 2, "name", "reserved"),
        (HEADER + f"a.mp4,x,{'雪' * 90}.mp4,\n", 2, "name", "at most 255 bytes"),
        (HEADER + "a.mp4,x,one.mp4,\nb.mp4,x,ONE,\n", 3, "name", "as line 2 does"),
        (HEADER + "d/one.mp4,x,,\nb.mp4,x,one.mp4,\n", 3, "name", "give the other line a name"),
        (HEADER + "a.mp4,x,one.mp4,\na.mp4,x,two.mp4,\n", 3, "variant", "as in line 2"),
        (b"source,prompt\na.mp4,\xff\xfe\n", 2, None, "UTF-8"),
        ("source,prompt\na.mp4," + "x" * (1 << 20) + "\n", 2, None, "longer than"),
    ],
)
def test_a_wrong_csv_is_refused_with_its_line(
    tmp_path: Path, text: str | bytes, line: int, field: str | None, words: str
) -> None:
    """The line, the column and what to do."""
    error = problem(tmp_path, text)
    assert (error.line, error.field) == (line, field)
    assert f"line {line}" in str(error)
    assert words in str(error)
    assert error.mend


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('{"source": "a", "prompt": "x"}\n{"source": "a"', 2, "is no JSON"),
        ('["a", "x"]', 1, "is no JSON object"),
        ('{"prompt": "x"}', 1, "source is missing"),
        ('{"source": "a", "prompt": 5}', 1, "must be text, not int"),
        ('{"source": "a", "prompt": "x", "seconds": 3}', 1, "'seconds' is no column"),
        ('{"source": "a", "prompt": "x", "variant": true}', 1, "whole number"),
        (f'{{"source": "a", "prompt": "x", "variant": {2**63}}}', 1, "below 2**63"),
        ('{"source": "a", "prompt": "x", "name": "a/b"}', 1, "leaves the output folder"),
        ("[" * 100_000, 1, "is no JSON"),
    ],
)
def test_a_wrong_json_line_is_refused_with_its_number(tmp_path: Path, text: str, line: int, words: str) -> None:
    """The same, for JSON lines."""
    error = problem(tmp_path, text, "m.jsonl")
    assert error.line == line
    assert words in str(error)


def test_all_wrong_lines_are_told_up_to_twenty(tmp_path: Path) -> None:
    """One run shows what is to be mended; a wholly wrong file is not read to its end."""
    rows = "".join(f"a{n}.mp4,x,,no\n" for n in range(100))
    judged = written(tmp_path, HEADER + rows).judge()
    assert [error.line for error in judged.problems] == list(range(2, 22))


@pytest.mark.parametrize("name", ["m.csv", "m.jsonl"])
def test_the_largest_variant_is_taken(tmp_path: Path, name: str) -> None:
    """What a journal can hold is no mistake."""
    row = {"source": "a.mp4", "prompt": "x", "variant": 2**63 - 1}
    text = json.dumps(row) if name == "m.jsonl" else f"source,prompt,variant\na.mp4,x,{2**63 - 1}\n"
    manifest = written(tmp_path, text, name)
    assert manifest.judge().problems == ()
    assert list(manifest.edits()) == [Edit("a.mp4", "x", variant=2**63 - 1)]


def test_names_made_from_sources_give_way(tmp_path: Path) -> None:
    """Two sources of one name are no mistake, nor is the same row twice, nor a made name after a chosen one."""
    rows = "d/one.mp4,x,,\ne/one.mp4,x,,\nd/one.mp4,x,,\nf/two.mp4,x,three.mp4,\ng/three.mp4,x,,\n"
    assert written(tmp_path, HEADER + rows).judge().problems == ()


def test_a_template_that_gives_one_name_to_all_is_refused(tmp_path: Path) -> None:
    """A template of one's own gives no way out by itself."""
    text = "source,prompt\na.mp4,x\nb.mp4,x\n"
    error = problem(tmp_path, text, template="clip")
    assert error.line == 3
    assert "{index}" in str(error)
    assert written(tmp_path, text).judge("{stem}-{index:03}").problems == ()


def test_content_is_left_to_the_edit(tmp_path: Path) -> None:
    """An empty prompt or a bad address is wrong with one edit, and refuses only that."""
    judged = written(tmp_path, "source,prompt\na.mp4,\nftp://x/a.mp4,y\n").judge()
    assert (judged.edits, judged.problems) == (2, ())


def test_a_manifest_broken_between_two_readings_is_noticed(tmp_path: Path) -> None:
    """The second reading judges again."""
    manifest = written(tmp_path, "source,prompt\na.mp4,x\n")
    assert manifest.judge().problems == ()
    written(tmp_path, "source,prompt\na.mp4,x,y\n")
    with pytest.raises(ManifestError, match="line 2"):
        list(manifest.edits())


def test_fifty_thousand_rows_are_judged(tmp_path: Path) -> None:
    """The last of many clashes with the first: nothing is forgotten on the way."""
    with (tmp_path / "m.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["source", "prompt", "name"])
        rows.writerows([f"{n}.mp4", "x", f"n{n}.mp4"] for n in range(50_000))
        rows.writerow(["last.mp4", "x", "n0.mp4"])
    judged = Manifest(tmp_path / "m.csv").judge()
    assert judged.edits == 50_001
    assert [error.line for error in judged.problems] == [50_002]
