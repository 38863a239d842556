"""Clients that look at one task again and again: each contestant in a process of its own.

`python -m benchmarks.speed.polls KIND URL CONCURRENCY COUNT` does COUNT looks for each line on its standard input.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from benchmarks.harness import PEERS, Figure, HurriedClock, compare, cpu, ratio, serving
from benchmarks.speed.server import TASK

TASK_ID = str(TASK["id"])
HURRY = 1_000.0  # times: a new client begins with two looks a second, which are more than any contestant does then
PATIENCE = 300.0  # seconds: httpx gives up after five where more than a hundred requests wait for its pool
Look = Callable[[], Awaitable[object]]


class RawClient(asyncio.Protocol):
    """One connection: bytes out, bytes in, nothing parsed but the length of the head."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """An answer fits one read on loopback."""
        if self.answer is not None:
            self.answer.set_result(data)

    async def ask(self, request: bytes) -> bytes:
        """One request, one answer."""
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self.answer


async def raw(url: str, concurrency: int, _: AsyncExitStack) -> list[Look]:
    """The floor: a raw asyncio protocol, a connection for each worker, the body as JSON."""
    host, port = url.removeprefix("http://").split(":")
    request = f"GET /v1/tasks/{TASK_ID} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer k\r\n\r\n".encode()
    loop = asyncio.get_running_loop()

    async def worker() -> Look:
        _, client = await loop.create_connection(RawClient, host, int(port))

        async def look() -> object:
            data = await client.ask(request)
            return json.loads(data[data.index(b"\r\n\r\n") + 4 :])

        return look

    return [await worker() for _ in range(concurrency)]


async def bare_aiohttp(url: str, concurrency: int, stack: AsyncExitStack) -> list[Look]:
    """What a careful user writes by hand with aiohttp."""
    import aiohttp

    session = await stack.enter_async_context(
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64), headers={"Authorization": "Bearer k"})
    )

    async def look() -> object:
        async with session.get(f"{url}/v1/tasks/{TASK_ID}") as response:
            return await response.json()

    return [look] * concurrency


async def omniedit(url: str, concurrency: int, stack: AsyncExitStack) -> list[Look]:
    """Ours as `pip install omniedit` gives it: through the gate, typed."""
    sys.modules["orjson"] = None  # type: ignore[assignment]  # as if the extra were not installed
    return await omniedit_fast(url, concurrency, stack)


async def omniedit_fast(url: str, concurrency: int, stack: AsyncExitStack) -> list[Look]:
    """Ours with the `fast` extra."""
    from omniedit import Client

    client = await stack.enter_async_context(Client("sk-benchmark", base_url=url, clock=HurriedClock(HURRY)))
    return [lambda: client.task(TASK_ID)] * concurrency


async def httpx(url: str, concurrency: int, stack: AsyncExitStack) -> list[Look]:
    """Bare httpx."""
    import httpx as library

    client = await stack.enter_async_context(
        library.AsyncClient(headers={"Authorization": "Bearer k"}, timeout=PATIENCE)
    )

    async def look() -> object:
        return (await client.get(f"{url}/v1/tasks/{TASK_ID}")).json()

    return [look] * concurrency


async def openai(url: str, concurrency: int, stack: AsyncExitStack) -> list[Look]:
    """The videos call of openai's client."""
    from openai import AsyncOpenAI

    client = await stack.enter_async_context(
        AsyncOpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0, timeout=PATIENCE)
    )
    return [lambda: client.videos.retrieve(TASK_ID)] * concurrency


async def openai_aiohttp(url: str, concurrency: int, stack: AsyncExitStack) -> list[Look]:
    """The same over aiohttp, as its extra of that name makes possible."""
    from openai import AsyncOpenAI, DefaultAioHttpClient

    client = AsyncOpenAI(
        api_key="k", base_url=f"{url}/v1", max_retries=0, timeout=PATIENCE, http_client=DefaultAioHttpClient()
    )
    await stack.enter_async_context(client)
    return [lambda: client.videos.retrieve(TASK_ID)] * concurrency


async def lumaai(url: str, concurrency: int, stack: AsyncExitStack) -> list[Look]:
    """The generations call of Luma's client."""
    from lumaai import AsyncLumaAI

    client = await stack.enter_async_context(AsyncLumaAI(auth_token="k", base_url=url, max_retries=0, timeout=PATIENCE))
    return [lambda: client.generations.get(TASK_ID)] * concurrency


async def runwayml(url: str, concurrency: int, stack: AsyncExitStack) -> list[Look]:
    """The tasks call of runway's client."""
    from runwayml import AsyncRunwayML

    client = await stack.enter_async_context(AsyncRunwayML(api_key="k", base_url=url, max_retries=0, timeout=PATIENCE))
    return [lambda: client.tasks.retrieve(TASK_ID)] * concurrency


async def replicate(url: str, concurrency: int, _: AsyncExitStack) -> list[Look]:
    """The predictions call of replicate's client."""
    import httpx as library
    from replicate import Client as Replicate

    client = Replicate(api_token="k", base_url=url, timeout=library.Timeout(PATIENCE))
    return [lambda: client.predictions.async_get(TASK_ID)] * concurrency


async def fal(url: str, concurrency: int, _: AsyncExitStack) -> list[Look]:
    """The status call of fal's client."""
    os.environ["FAL_KEY"] = "k"
    from fal_client import AsyncClient
    from fal_client.client import AsyncRequestHandle

    client = AsyncClient(key="k", default_timeout=PATIENCE)
    session = await client._client  # noqa: SLF001  # a handle is made by a submit, whose address is https only
    handle = AsyncRequestHandle("id", f"{url}/response", f"{url}/status", f"{url}/cancel", session)
    return [handle.status] * concurrency


KINDS = {
    made.__name__: made
    for made in (
        raw,
        bare_aiohttp,
        omniedit,
        omniedit_fast,
        httpx,
        openai,
        openai_aiohttp,
        runwayml,
        replicate,
        fal,
        lumaai,
    )
}


async def contest(kind: str, url: str, concurrency: int, count: int) -> None:
    """Warm up, then do so many looks for each line on standard input."""
    async with AsyncExitStack() as stack:
        looks = await KINDS[kind](url, concurrency, stack)
        await spend(looks, count)
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            await spend(looks, concurrency)  # connections that the pause has closed are opened again
            before = cpu()
            await spend(looks, count)
            print(json.dumps({"cpu": (cpu() - before) / count}), flush=True)


async def spend(looks: list[Look], count: int) -> None:
    """Share so many looks among the workers."""
    left = iter(range(count))

    async def worker(look: Look) -> None:
        for _ in left:
            await look()

    await asyncio.gather(*(worker(look) for look in looks))


def measure(rounds: int) -> list[Figure]:
    """One typed look at 50 and at 500 at once."""
    figures: list[Figure] = []
    with serving() as url:
        for concurrency in (50, 500):
            costs = contestants(url, concurrency, rounds)
            figures += against(costs, concurrency)
    return figures


def contestants(url: str, concurrency: int, rounds: int) -> dict[str, list[float]]:
    """Portions of the cheap contestants are larger, so that all are long enough to be measured."""

    def command(kind: str, count: int) -> list[str]:
        return [str(PEERS), "-m", "benchmarks.speed.polls", kind, url, str(concurrency), str(count)]

    quick = {"raw", "bare_aiohttp", "omniedit", "omniedit_fast"}
    return compare({kind: command(kind, max(concurrency, 400 if kind in quick else 100)) for kind in KINDS}, rounds)


def against(costs: dict[str, list[float]], concurrency: int) -> list[Figure]:
    """Ours beside the others."""
    at = f"one look, {concurrency} at once:"
    ours, fast = costs["omniedit"], costs["omniedit_fast"]
    bare, floor = costs["bare_aiohttp"], costs["raw"]
    figures = [
        ratio(f"{at} CPU beside bare aiohttp", ours, bare, bar=1.4),
        ratio(f"{at} the same, with the `fast` extra", fast, bare, bar=1.4),
        ratio(f"{at} CPU beside a raw protocol", ours, floor, bar=8),
        ratio(f"{at} with the `fast` extra, beside a raw protocol", fast, floor, bar=8),
        ratio(f"{at} bare aiohttp beside a raw protocol", bare, floor),
    ]
    bars = {"openai_aiohttp": 3.5, "fal": 10.0, "replicate": 10.0, "runwayml": 10.0}
    for peer in ("openai_aiohttp", "openai", "runwayml", "replicate", "fal", "lumaai", "httpx"):
        name = f"{at} how many times cheaper than {peer.replace('_', ' over ')}"
        figures.append(ratio(name, costs[peer], ours, bar=bars.get(peer), at_least=True))
    # What stands between: no client over aiohttp can be further ahead than aiohttp itself.
    for peer in bars:
        name = f"{at} how many times cheaper bare aiohttp is than {peer.replace('_', ' over ')}"
        figures.append(ratio(name, costs[peer], bare))
    return figures


if __name__ == "__main__":
    _, kind, url, concurrency, count = sys.argv
    asyncio.run(contest(kind, url, int(concurrency), int(count)))
