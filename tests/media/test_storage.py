"""Results in an object store: a real S3-compatible server on loopback, real downloads."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
from obstore.store import S3Store

from omniedit import Client, Edit, Status
from omniedit.core.places import bucket_and_key, inside, is_object, name_of, renamed
from omniedit.errors import ConfigurationError, DownloadFailed
from omniedit.media import bucket as buckets
from omniedit.media.bucket import Bucket
from omniedit.media.download import Downloader
from omniedit.media.storage import Storage
from omniedit.testing import Sandbox, Settings

SECRET = "a-secret-nobody-sees"
QUICK = Settings(editing="canned", task_seconds=0.3)


@pytest.fixture(scope="module")
def store() -> Iterator[str]:
    """A server with an empty bucket `results`; its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    put = f"import urllib.request as u; u.urlopen(u.Request('{url}/results', method='PUT'))"
    try:
        for _ in range(100):
            if subprocess.run([sys.executable, "-c", put], check=False, capture_output=True).returncode == 0:
                break
            time.sleep(0.3)
        yield url
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(autouse=True)
def _environment(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What tells obstore where the store is."""
    for name, value in (
        ("AWS_ENDPOINT_URL", store),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ):
        monkeypatch.setenv(name, value)


@pytest.fixture
async def storage() -> AsyncGenerator[Storage]:
    """A storage that may fetch from this machine."""
    async with Downloader(allow_private=True) as downloader:
        made = Storage(downloader)
        yield made
        await made.close()


def content(key: str) -> bytes:
    """What is stored under a key."""
    import obstore

    return bytes(obstore.get(Bucket("s3://results")._store, key).bytes())  # noqa: SLF001


def keys(prefix: str) -> list[str]:
    """All objects below a prefix."""
    import obstore

    found = obstore.list(Bucket("s3://results")._store, prefix=prefix).collect()  # noqa: SLF001
    return sorted(str(one["path"]) for one in found)


@pytest.mark.parametrize(
    ("place", "name", "beside"),
    [
        ("s3://bucket/a/b.mp4", "b.mp4", "s3://bucket/a/c.mp4"),
        ("gs://bucket/b.mp4", "b.mp4", "gs://bucket/c.mp4"),
        ("edited/b.mp4", "b.mp4", "edited/c.mp4"),
        ("b.mp4", "b.mp4", "c.mp4"),
    ],
)
def test_places_have_names(place: str, name: str, beside: str) -> None:
    """As paths have, and addresses stay addresses."""
    assert name_of(place) == name
    assert renamed(place, "c.mp4") == beside
    assert inside(place.rpartition("/")[0], name) == place


def test_the_address_of_a_bucket_is_checked() -> None:
    """A path is none, and one without a bucket is refused."""
    assert not is_object("s3:/bucket/a.mp4")
    assert bucket_and_key("s3://bucket") == ("s3://bucket", "")
    assert bucket_and_key("s3://bucket/a/b.mp4") == ("s3://bucket", "a/b.mp4")
    with pytest.raises(ConfigurationError, match="names no bucket"):
        bucket_and_key("s3:///a")


@pytest.mark.parametrize("largest", [buckets._ONE_REQUEST, 1000])  # noqa: SLF001
async def test_an_object_is_never_replaced_unless_told_to(
    tmp_path: Path, largest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Small ones by one conditional request, large ones in parts."""
    monkeypatch.setattr(buckets, "_ONE_REQUEST", largest)
    bucket, file, key = Bucket("s3://results"), tmp_path / "a.mp4", f"kept/{largest}.mp4"
    for number, (overwrite, written) in enumerate([(False, True), (False, False), (True, True)]):
        file.write_bytes(bytes([number]) * 20_000_000)
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        assert await bucket.put(key, file, sha256=digest, size=20_000_000, overwrite=overwrite) is written
        assert (await bucket.digest(key) == digest) is written
        assert (content(key) == file.read_bytes()) is written
    assert await bucket.digest("kept/none.mp4") is None


async def test_of_two_who_put_at_once_one_wins(tmp_path: Path) -> None:
    """The other is told, and nothing of it is stored."""
    bucket = Bucket("s3://results")
    (tmp_path / "a").write_bytes(os.urandom(1000))
    (tmp_path / "b").write_bytes(os.urandom(1000))
    puts = [bucket.put("race.mp4", tmp_path / name, sha256=name, size=1000, overwrite=False) for name in "ab"]
    won = await asyncio.gather(*puts)
    assert sorted(won) == [False, True]
    assert await bucket.digest("race.mp4") == "ab"[won.index(True)]


async def test_a_store_that_fails_says_so_without_its_secrets(tmp_path: Path) -> None:
    """A bucket that is not there; nothing is lost by it."""
    (tmp_path / "a.mp4").write_bytes(b"x")
    bucket = Bucket("s3://missing")
    with pytest.raises(DownloadFailed, match="refused it or cannot be reached") as caught:
        await bucket.put("a.mp4", tmp_path / "a.mp4", sha256="x", size=1, overwrite=False)
    assert caught.value.code == "store_failed"
    assert SECRET not in str(caught.value) + repr(bucket)


async def test_a_batch_saves_into_a_bucket(tmp_path: Path, store: str) -> None:
    """Whole objects, told with their addresses, remembered, skipped by the next run, and kept when they are there."""
    edits = [Edit(f"https://example.com/{number}.mp4", "Make it snow") for number in range(3)]
    folder = "s3://results/batch"
    journal = tmp_path / "edits.db"
    async with Sandbox(QUICK) as sandbox:
        async with sandbox.client(preflight=False) as client:
            changes = [change async for change in client.batch(edits, save_to=folder, journal=journal)]
            saved = [change for change in changes if change.status == Status.saved]
            assert sorted(change.url or "" for change in saved) == [f"{folder}/{number}.mp4" for number in range(3)]
            assert {change.path for change in saved} == {None}
            assert {change.record()["path"] for change in saved} == {change.url for change in saved}
            assert keys("batch") == ["batch/0.mp4", "batch/1.mp4", "batch/2.mp4"]
            assert all(content(key)[4:8] == b"ftyp" for key in keys("batch"))
        async with sandbox.client(preflight=False) as client:
            again = await client.batch(edits, save_to=folder, journal=journal)
            assert again.ok
            other = await client.batch([Edit("https://example.com/0.mp4", "Make it warm")], save_to=folder)
            assert [failure.error and failure.error.code for failure in other.failures] == ["output_exists"]
        assert len(sandbox.accepted) == 3


async def test_a_result_whose_key_was_taken_meanwhile_is_put_beside_it(tmp_path: Path, storage: Storage) -> None:
    """And is found there when only the last word was missing; nothing private is left."""
    (tmp_path / "theirs").write_bytes(b"theirs")
    await Bucket("s3://results").put("taken/a.mp4", tmp_path / "theirs", sha256="x", size=6, overwrite=False)
    async with Sandbox(QUICK) as sandbox, sandbox.client(preflight=False) as client:
        task = await client.submit(Edit("https://example.com/a.mp4", "Make it snow"))
        async for _ in client.watch(task.id):
            pass
        link = (await client.task(task.id)).results[0]
        for _ in range(2):
            stored = await storage.save(link, "s3://results/taken/a.mp4", task_id=task.id)
            assert stored.place == f"s3://results/taken/a-{task.id[-8:]}.mp4"
            settled = await storage.settled("s3://results/taken/a.mp4", stored.sha256, stored.size, task_id=task.id)
            assert settled == stored.place
            assert hashlib.sha256(content(f"taken/a-{task.id[-8:]}.mp4")).hexdigest() == stored.sha256
        assert content("taken/a.mp4") == b"theirs"
        replaced = await storage.save(link, "s3://results/taken/a.mp4", task_id=task.id, overwrite=True)
        assert replaced.place == "s3://results/taken/a.mp4"
    private = storage._private  # noqa: SLF001
    assert private is not None
    assert list(private.iterdir()) == []


async def test_an_edit_alone_saves_into_a_file() -> None:
    """An address is refused before anything is sent."""
    async with Sandbox(QUICK) as sandbox, sandbox.client(preflight=False) as client:
        with pytest.raises(ConfigurationError, match="object store"):
            client.edit("https://example.com/a.mp4", "Make it snow", save_to="s3://results/a.mp4")
        with pytest.raises(ConfigurationError, match="names no bucket"):
            client.batch([], save_to="s3:///edited")
        assert sandbox.requests == []


def test_without_the_extra_a_bucket_says_what_to_install() -> None:
    """In a process that cannot import obstore."""
    code = (
        "import sys; sys.modules['obstore.store'] = None; sys.modules['obstore'] = None\n"
        "from omniedit.media.bucket import Bucket\n"
        "try: Bucket('s3://results')\n"
        "except Exception as error: print(error.mend)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "omniedit[s3]" in done.stdout


def test_a_request_has_time_for_a_slow_line() -> None:
    """In obstore's own 30 s a line of 10 Mbit/s cannot send the largest one."""
    opened = Bucket("s3://results")._store  # noqa: SLF001
    assert isinstance(opened, S3Store)
    assert opened.client_options is not None
    assert opened.client_options.get("timeout") == "5m"


async def test_a_prefix_that_no_object_can_have_is_refused_before_anything_is_paid() -> None:
    """Nothing could be saved under it."""
    async with Client("sk-test", base_url="http://127.0.0.1:1") as client:
        with pytest.raises(ConfigurationError, match="no object can have"):
            client.batch([], save_to="s3://results/a//b")
        client.batch([], save_to="s3://results/a/b/")
