"""The sheet in a real Chromium: opened from disk, clicked through, with hostile texts, in every size and colour."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import attrs
import pytest
from aiohttp import web

from omniedit.models import Edit, Entry, Status
from omniedit.report import write_report
from omniedit.report.text import visible

if TYPE_CHECKING:
    from tests.report.conftest import Gallery, Page

HOSTILE = [
    "</script><script>hacked = 1; alert(1)</script>",
    "<!--<script>",
    '"><img src=x onerror="hacked = 1; alert(1)"><svg onload=alert(1)>',
    "'; hacked = 1; alert(1); //",
    "${hacked = 1} {{hacked}} `${alert(1)}`",
    "abc\u202egnp.exe \u2066 \x00 \x1b[31m \u2028 \udcff",
    "👩‍🚀🏳️‍🌈 雪 " * 40,
    "y" * 5000,
]
CARDS = "[...document.querySelectorAll('#feed .card')]"
FOUND = "document.getElementById('found').textContent"


async def show(page: Page, entries: Sequence[Entry], path: Path, **options: int | str | bool) -> None:
    """Write a sheet and open it."""
    facts = await write_report(entries, path, **options)  # type: ignore[arg-type]
    await page.open(facts.path)


def stayed_at_home(page: Page) -> bool:
    """Whether nothing was asked for but files and what the sheet carries, and nothing was complained about."""
    schemes = {urlsplit(url).scheme for url in page.requests}
    return schemes <= {"file", "data", "blob", "about"} and page.complaints == []


async def test_sheet_opens_from_disk_without_network(page: Page, gallery: Gallery) -> None:
    """Pictures show, sections are in order, numbers are right, and no request leaves the machine."""
    queued = attrs.evolve(gallery.failed("c.mp4", error_code=None, error_message=None), status=Status.queued)
    await show(page, [gallery.entry(), gallery.failed(), queued], gallery.folder / "sheet.html", title="Winter")
    await page.until("[...document.querySelectorAll('img')].every(image => image.naturalWidth)")
    assert await page.ask("document.title") == "Winter"
    assert await page.ask("[...document.querySelectorAll('h2')].slice(0, 3).map(h => h.textContent)") == [
        "Needs attention1",
        "Under way1",
        "Saved1",
    ]
    assert await page.ask(FOUND) == "3 of 3 edits · 51.5 credits"
    assert "Credits51.5" in await page.ask("document.querySelector('.sums').textContent")
    assert await page.ask("document.querySelectorAll('#feed img').length") == 4
    assert stayed_at_home(page)


async def test_hostile_texts_do_nothing(page: Page, gallery: Gallery) -> None:
    """Whatever stands in a name, a prompt, a path, a message or the title is shown as it is written."""
    entries = [
        gallery.failed(
            f"{text}.mp4".replace("/", "_"),
            text,
            source=f"{text}.mp4",
            error_code=text,
            error_message=text,
            task_id=text,
        )
        for text in HOSTILE
    ]
    await show(page, entries, gallery.folder / "sheet.html", title=HOSTILE[0])
    await page.until(f"{CARDS}.length === {len(HOSTILE)}")
    shown = await page.ask(f"{CARDS}.map(card => card.querySelector('.prompt').textContent)")
    assert shown == [visible(text) for text in HOSTILE]
    assert await page.ask("document.querySelector('h1').textContent") == HOSTILE[0]
    await page.ask("for (const one of document.querySelectorAll('details')) one.open = true")
    await page.press("Enter", "j", "j")
    assert await page.ask("typeof hacked") == "undefined"
    assert page.dialogs == 0
    assert await page.ask("document.querySelectorAll('script:not([type]), iframe, object, embed').length") == 1
    assert stayed_at_home(page)


@pytest.mark.parametrize("url", ["http://300.1.1.1/a.mp4", "https://a%00b/x", "http://[v1.a]/x", "https://a^b/x"])
async def test_a_source_that_is_a_url_only_to_us_is_shown(page: Page, gallery: Gallery, url: str) -> None:
    """A browser takes it for none: its edit is there, and so are all others."""
    await show(page, [gallery.failed(source=url), gallery.failed("c.mp4"), gallery.entry()], gallery.folder / "s.html")
    await page.until(f"{CARDS}.length === 3")
    assert await page.ask("document.querySelector('.fetch').textContent") == "Load the source from the web"
    await page.click(".fetch")
    await page.until("document.querySelector('.card .before').textContent.includes('cannot play the file')")


async def test_an_edit_that_cannot_be_shown_leaves_the_others_alone(page: Page, gallery: Gallery) -> None:
    """It has a card that says so, among the others and at large."""
    entries = [gallery.failed(), gallery.failed("c.mp4"), gallery.entry()]
    await show(page, entries, gallery.folder / "sheet.html")
    await page.ask("rows[1].credits = null; layOut()")
    await page.until(f"{CARDS}.length === 3")
    told = await page.ask(f"{CARDS}.map(card => card.querySelector('.prompt').textContent.slice(0, 24))")
    assert told == ["Say something rude", "This edit cannot be show", "Make it snow"]
    await page.press("j", "j", "Enter", "j")
    assert await page.ask("document.getElementById('place').textContent") == "3 of 3"
    assert page.complaints == []


async def test_policy_refuses_foreign_scripts_and_fetches(page: Page, gallery: Gallery) -> None:
    """Should a hole ever be found, the page's own policy stands behind it."""
    await show(page, [gallery.entry()], gallery.folder / "sheet.html")
    # The protocol's own evaluation is above the policy, so the page is made to try.
    await page.ask("""(async () => {
        const script = document.createElement('script');
        try { script.textContent = 'hacked = 1' } catch { refused = 'typed' }
        document.body.append(script);
        const inline = document.createElement('b');
        inline.setAttribute('style', 'color: red');
        document.body.append(inline);
        colour = getComputedStyle(inline).color;
        await fetch('http://127.0.0.1:9/').catch(() => { fetched = 'refused' });
    })()""")
    assert await page.ask("[typeof hacked, refused, colour !== 'rgb(255, 0, 0)', fetched]") == [
        *("undefined", "typed", True, "refused")
    ]


async def test_filters_by_status_and_text(page: Page, gallery: Gallery) -> None:
    """Status buttons and words narrow the sheet; all words must be found, in any case, anywhere."""
    entries = [gallery.entry(prompt=f"A {colour} wish", path=None) for colour in ("red", "green", "blue")]
    await show(page, [*entries, gallery.failed()], gallery.folder / "sheet.html")
    await page.click("#statuses button:nth-child(2)")
    assert await page.until(f"{CARDS}.map(card => card.querySelector('.status').textContent)") == ["failed"]
    assert await page.ask("document.querySelector('#statuses button:nth-child(2)').ariaPressed") == "true"
    await page.click("#statuses button:nth-child(1)")
    await page.press("/")
    await page.press(*"wISH gRe")
    await page.until(f"{CARDS}.length === 1")
    assert await page.ask(FOUND) == "1 of 4 edits · 25.5 credits"
    await page.press(*" nowhere")
    assert await page.until(FOUND + ".startsWith('No')")
    await page.press("Escape")
    await page.ask("document.getElementById('text').value = 'content_policy'; sift()")
    assert await page.until(f"{CARDS}.map(card => card.querySelector('.status').textContent)") == ["failed"]


async def test_slider_moves_by_keys_and_by_hand(page: Page, gallery: Gallery) -> None:
    """Arrow keys move it for the card at hand, finer on the slider itself; a drag puts it where the hand is."""
    await show(page, [gallery.entry()], gallery.folder / "sheet.html")
    place = "document.querySelector('.stage').style.getPropertyValue('--cut')"
    await page.press("j", "ArrowRight", "ArrowRight", "ArrowLeft")
    assert await page.ask(place) == "55%"
    await page.ask("document.querySelector('.slide').focus()")
    await page.press("ArrowLeft")
    assert await page.ask(place) == "54%"
    await page.press("Home")
    assert await page.ask(place) == "0%"
    assert await page.ask("document.querySelector('.slide').getAttribute('aria-valuetext')") == "0 % before"
    await page.click(".stage", across=0.5, drag_to=0.75)
    assert await page.ask(f"Math.round(parseFloat({place}))") == 75
    clip = await page.ask("getComputedStyle(document.querySelector('.before')).clipPath")
    assert clip.startswith("inset(0px")


@pytest.mark.parametrize("options", [{}, {"embed_limit": 0}, {"folder": True}], ids=["carried", "beside", "folder"])
async def test_plays_before_and_after_in_step(options: dict[str, int], page: Page, gallery: Gallery) -> None:
    """Both clips run, stay together, begin again at the end, and stop together, however strange their names."""
    odd = Path(shutil.copy(gallery.after, gallery.folder / "a 'b' #1?%41&<x>:雪.mp4"))
    path = gallery.folder / ("sheets" if options.get("folder") else "sheet.html")
    await show(page, [gallery.entry(path=str(odd))], path, **options)
    await page.press("j", " ")
    times = "document.querySelectorAll('video').length === 2 && playing.all.map(video => video.currentTime)"
    first = await page.until(f"({times} || [0]).every(time => time > 0.4) && {times}")
    assert abs(first[0] - first[1]) < 0.2
    assert await page.ask("playing.all.map(video => [video.videoWidth, video.muted])") == [[160, True], [160, True]]
    await page.until("playing.lead.currentTime > 1.5")
    await page.until("playing.lead.currentTime < 1")
    await page.press("m")
    assert await page.ask("playing.all.map(video => video.muted)") == [True, False]
    await page.press(" ")
    assert await page.until("playing === null && [...document.querySelectorAll('video')].every(video => video.paused)")
    assert stayed_at_home(page)


async def test_a_clip_that_falls_behind_catches_up(page: Page, gallery: Gallery) -> None:
    """A source that is torn away from the result while both play is brought back, long before the end."""
    await show(page, [gallery.entry()], gallery.folder / "sheet.html")
    await page.press("j", " ")
    await page.until("playing && playing.all.length === 2 && playing.all.every(video => video.currentTime > 0.1)")
    drift = await page.ask("""new Promise(resolve => {
        const { before, after } = playing.videos;
        playing.seek(0).then(() => { before.currentTime = 1.2; });
        const look = () => {
            const now = after.currentTime;
            if (now > 0.6 && now < 1) resolve(Math.abs(before.currentTime - now));
            else requestAnimationFrame(look);
        };
        after.addEventListener('seeked', look, { once: true });
    })""")
    assert drift < 0.35


async def test_steps_by_pictures_and_seeks_both(page: Page, gallery: Gallery) -> None:
    """One picture on is one picture on in both; the bar moves both."""
    await show(page, [gallery.entry()], gallery.folder / "sheet.html")
    both = "[...document.querySelectorAll('video')].map(video => Math.round(video.currentTime * 24))"
    await page.press("j", ".")
    await page.until("document.querySelectorAll('video').length === 2")
    await page.until("[...document.querySelectorAll('video')].every(video => video.readyState > 1)")
    await page.press(".", ".", ",")
    await page.until(f"JSON.stringify({both}) !== '[0,0]'")
    one, other = await page.ask(both)
    assert one == other > 0
    await page.click(".controls input", across=0.5)
    await page.until(f"{both}.every(at => at > 20 && at < 28)")


async def test_large_view_is_walked_by_keys(page: Page, gallery: Gallery) -> None:
    """Enter opens the card at hand, j and k go on, Escape closes where the walk ended; the slider is remembered."""
    entries = [gallery.entry(prompt=f"Wish {n}", variant=n) for n in range(3)]
    await show(page, entries, gallery.folder / "sheet.html")
    await page.press("j", "ArrowRight", "Enter")
    assert await page.until(
        "document.getElementById('viewer').open && document.getElementById('place').textContent"
    ) == ("1 of 3")
    assert await page.ask("document.querySelector('#large .stage').style.getPropertyValue('--cut')") == "55%"
    await page.press("j", "j", "j")
    assert await page.ask("document.querySelector('#large .prompt').textContent") == "Wish 2"
    await page.press("k", " ")
    await page.until("playing && playing.lead.currentTime > 0.1")
    assert await page.ask("document.querySelector('#large .prompt').textContent") == "Wish 1"
    await page.press("Escape")
    assert await page.until("!document.getElementById('viewer').open && playing === null")
    assert await page.ask("document.querySelectorAll('#large *').length") == 0
    assert await page.until("here?.index === 1 && document.activeElement === here")
    await page.press("j")
    assert await page.ask("here.index") == 2


async def test_looks_follow_the_system_and_the_button(page: Page, gallery: Gallery, tmp_path: Path) -> None:
    """Dark where the system is dark; the button turns it round, and the next visit remembers."""
    await show(page, [gallery.entry(), gallery.failed()], gallery.folder / "sheet.html")
    background = "getComputedStyle(document.body).backgroundColor"
    light = await page.ask(background)
    await page.look(dark=True)
    dark = await page.ask(background)
    assert light != dark
    await page.screenshot(tmp_path / "dark.png")
    await page.click("#theme")
    assert await page.ask(background) == light
    await page.press("b")
    await page.open(gallery.folder / "sheet.html")
    assert await page.ask(background) == light
    assert await page.ask("document.querySelector('.beside') !== null") is True


async def test_is_readable_on_a_narrow_screen(page: Page, gallery: Gallery, tmp_path: Path) -> None:
    """At 360 pixels nothing is wider than the screen, in either view and in the dialogs, whatever the texts."""
    long = "Unbreakable" * 40
    await page.look(width=360, height=740, touch=True)
    entries = [gallery.failed(f"{long[:200]}.mp4", long, error_message=long, error_code=long), gallery.entry()]
    await show(page, entries, gallery.folder / "sheet.html", title=long)
    await page.ask("for (const one of document.querySelectorAll('details')) one.open = true")
    for keys in ([], ["b"], ["j", "Enter"], ["Escape", "?"]):
        await page.press(*keys)
        assert await page.ask("document.documentElement.scrollWidth") <= 360, keys
        reach = "[...document.querySelectorAll('.card, dialog[open]')].map(e => e.getBoundingClientRect().right)"
        assert max(await page.ask(reach)) <= 360, keys
        await page.screenshot(tmp_path / f"narrow{len(keys)}.png")
    assert (tmp_path / "narrow0.png").stat().st_size > 5000


async def test_thousands_of_edits_keep_the_page_small(page: Page, gallery: Gallery) -> None:
    """Only what is near the window is in the document; the far end and every single edit are in reach."""
    entries = [
        Entry(Edit("gone.mp4", f"Wish {n}", variant=n), f"{n}.mp4", Status.saved, gallery.entry().at)
        for n in range(5000)
    ]
    await show(page, [*entries, gallery.failed()], gallery.folder / "sheet.html")
    await page.until(f"{CARDS}.length > 0")
    assert await page.ask(f"{CARDS}[0].querySelector('.status').textContent") == "failed"
    assert await page.ask(f"{CARDS}.length") < 200
    await page.ask("scrollTo(0, document.documentElement.scrollHeight)")
    await page.until(f"{CARDS}.some(card => card.textContent.includes('Wish 4999'))")
    await page.until(f"!{CARDS}.some(card => card.textContent.includes('Wish 0'))")
    assert await page.ask(f"{CARDS}.length") < 200
    await page.ask("document.getElementById('text').value = 'wish 2718'; sift()")
    assert await page.until(f"{CARDS}.map(card => card.querySelector('.prompt').textContent)") == ["Wish 2718"]


async def test_source_on_the_web_is_fetched_on_a_click_only(page: Page, gallery: Gallery) -> None:
    """Nothing asks for it until somebody clicks; then it plays beside the result, and nobody learns who asked."""
    asked: list[dict[str, str]] = []

    async def serve(request: web.Request) -> web.FileResponse:
        asked.append(dict(request.headers))
        return web.FileResponse(gallery.before)

    application = web.Application()
    application.router.add_get("/a.mp4", serve)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        source = f"http://{host}:{port}/a.mp4"
        await show(page, [gallery.entry(source=source)], gallery.folder / "sheet.html")
        await page.press("j", "Enter", "Escape")
        await page.until("!document.getElementById('viewer').open")
        assert await page.ask("document.querySelector('#feed details a').href") == source
        assert asked == []
        assert stayed_at_home(page)
        await page.click("#feed .fetch")
        await page.until("playing && playing.all.length === 2 && playing.all.every(video => video.currentTime > 0.1)")
        assert asked
        assert not any("Referer" in headers for headers in asked)
        assert source in page.requests
        await page.call("Page.navigate", url="about:blank")
    finally:
        await runner.cleanup()


async def test_what_is_not_fetched_yet_offers_nothing_to_play(page: Page, gallery: Gallery) -> None:
    """An edit without a result, whose source is on the web: a button that did nothing would puzzle."""
    entries = [gallery.failed(source="https://example.com/a.mp4"), gallery.failed("c.mp4")]
    await show(page, entries, gallery.folder / "sheet.html")
    await page.until(f"{CARDS}.length === 2")
    offered = f"{CARDS}.map(card => [...card.querySelectorAll('.controls button')].filter(b => b.offsetWidth).length)"
    assert await page.ask(offered) == [1, 3]


async def test_what_cannot_be_played_says_so(page: Page, gallery: Gallery) -> None:
    """A damaged clip, a clip that has gone, and no clip at all: the card stands, and tells."""
    damaged = gallery.folder / "damaged.mp4"
    damaged.write_bytes(b"\x00\x00\x00\x18ftypisom" + b"\x00" * 5000)
    gone = Path(shutil.copy(gallery.after, gallery.folder / "gone.mp4"))
    entries = [
        gallery.entry(path=str(damaged), variant=1),
        gallery.entry(path=str(gone), variant=2),
        gallery.entry(path=None, source="nowhere.mp4"),
    ]
    facts = await write_report(entries, gallery.folder / "sheet.html", embed_limit=0)
    gone.unlink()
    await page.open(facts.path)
    await page.until("document.querySelector('#feed .card').textContent.includes('cannot play the file')")
    await page.press("j", "j", " ")
    await page.until(f"{CARDS}[1].textContent.includes('cannot play the file')")
    third = await page.ask(f"{CARDS}[2].textContent")
    assert "There is no clip of the source on this machine" in third
    assert "The file is not where it was saved" in third


async def test_without_pictures_the_clips_show_themselves(page: Page, gallery: Gallery) -> None:
    """In a sheet written without PyAV, cards in view show a picture of their clips, which do not run."""
    path = gallery.folder / "sheet.html"
    await write_report([gallery.entry()], path)
    text = path.read_text(encoding="utf-8").replace('id="still-', 'id="no-still-')
    path.write_text(text, encoding="utf-8")
    await page.open(path)
    await page.until("[...document.querySelectorAll('#feed video')].filter(v => v.readyState > 1).length === 2")
    assert await page.ask("[...document.querySelectorAll('#feed video')].every(video => video.paused)") is True


async def test_page_is_accessible_by_structure(page: Page, gallery: Gallery) -> None:
    """Every control has a name, every picture a text, headings go down one by one, and ids are unique."""
    await show(page, [gallery.entry(), gallery.failed()], gallery.folder / "sheet.html")
    await page.press("j", "Enter")
    await page.until("document.getElementById('viewer').open")
    told = await page.call("Accessibility.getFullAXTree")
    roles = {"button", "slider", "searchbox", "link", "image", "dialog", "article", "feed", "main"}
    nodes = [node for node in told["nodes"] if not node["ignored"] and node.get("role", {}).get("value") in roles]
    nameless = [node["role"]["value"] for node in nodes if not node.get("name", {}).get("value")]
    assert nameless == []
    assert {"button", "slider", "dialog"} <= {node["role"]["value"] for node in nodes}
    assert json.loads(
        await page.ask("JSON.stringify([...document.querySelectorAll('h1, h2, h3')].map(h => h.tagName))")
    )[:3] == ["H1", "H2", "H3"]
    assert await page.ask(
        "(ids => ids.length === new Set(ids).size)([...document.querySelectorAll('[id]')].map(e => e.id))"
    )
