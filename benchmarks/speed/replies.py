"""How many paid POSTs leave when the answer to the first, or to each, is lost, each client used as documented.

`python -m benchmarks.speed.replies KIND URL` submits once.
"""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from benchmarks.harness import PEERS, ROOT, Figure, serving

PROMPT = "Make the light warmer"
CLIP = "http://127.0.0.1/clip.mp4"


async def omniedit(url: str) -> None:
    """One edit."""
    from omniedit import Client

    with tempfile.TemporaryDirectory() as folder:
        async with Client("sk-benchmark", base_url=url, preflight=False) as client:
            await client.edit(CLIP, PROMPT, save_to=f"{folder}/out.mp4")


async def openai(url: str) -> None:
    """One video."""
    from openai import AsyncOpenAI

    await AsyncOpenAI(api_key="k", base_url=f"{url}/v1").videos.create(prompt=PROMPT)


async def runwayml(url: str) -> None:
    """One video."""
    from runwayml import AsyncRunwayML

    client = AsyncRunwayML(api_key="k", base_url=url)
    await client.post("/v1/video_to_video", cast_to=object, body={"promptText": PROMPT, "videoUri": CLIP})


async def lumaai(url: str) -> None:
    """One video."""
    from lumaai import AsyncLumaAI

    await AsyncLumaAI(auth_token="k", base_url=url).generations.create(model="ray-2", prompt=PROMPT)


async def replicate(url: str) -> None:
    """One prediction."""
    from replicate import Client

    await Client(api_token="k", base_url=url).predictions.async_create(version="v1", input={"prompt": PROMPT})


async def fal(url: str) -> None:
    """One request to its queue."""
    os.environ["FAL_QUEUE_RUN_HOST"] = url.removeprefix("https://")
    from fal_client import AsyncClient

    await AsyncClient(key="k").submit("owner/app", {"prompt": PROMPT})


KINDS: dict[str, Callable[[str], Awaitable[None]]] = {
    made.__name__: made for made in (omniedit, openai, runwayml, replicate, fal, lumaai)
}


def measure(rounds: int) -> list[Figure]:
    """Once for each client: the number does not vary."""
    del rounds
    with tempfile.TemporaryDirectory() as folder:
        certificate, key = make_certificate(Path(folder))
        figures: list[Figure] = []
        for lost, said in ((1, "the first answer is lost"), (1000, "every answer is lost")):
            for kind in KINDS:
                tls = ["--tls", str(certificate), str(key)] if kind == "fal" else []  # its addresses are https only
                with serving("--drop", str(lost), *tls) as url:
                    posts = count_posts(kind, url, certificate)
                bar = 1.0 if kind == "omniedit" else None
                figures.append(Figure(f"POSTs of {kind} when {said}", posts, "POSTs", bar=bar))
    return figures


def count_posts(kind: str, url: str, certificate: Path) -> int:
    """Let a client submit, then ask the server."""
    command = [PEERS, "-m", "benchmarks.speed.replies", kind, url]
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "SSL_CERT_FILE": str(certificate)}, timeout=120)
    context = ssl.create_default_context(cafile=certificate) if url.startswith("https") else None
    with urllib.request.urlopen(f"{url}/posts", context=context) as answer:  # noqa: S310  # our own server
        return int(json.load(answer)["posts"])


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """For localhost, valid for two days."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


async def submit(kind: str, url: str) -> None:
    """The answer may be one that the client cannot read; what counts is what was sent."""
    with suppress(Exception):
        await asyncio.wait_for(KINDS[kind](url), 90)


if __name__ == "__main__":
    asyncio.run(submit(*sys.argv[1:]))
