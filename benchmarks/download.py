"""What a download costs, beside curl, httpx and aiohttp with aiofiles, against nginx on loopback.

    python benchmarks/download.py [--runs 7] [--json benchmarks/results/download.json]

Needs nginx, curl and openssl on PATH, and httpx and aiofiles installed. All contenders run in turn within each round,
so that a busy machine disturbs all of them alike; figures are medians, and ratios are medians of the rounds' ratios.

CPU is user and system time of the process that downloads. The Python contenders are measured in a running process
(imports are not part of a download), curl as a process of its own. `curl` and the others only write; `omniedit`
hashes, verifies, syncs and renames as well. `curl + openssl sha256 + sync` does the same work with the usual tools.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiofiles
import aiohttp
import attrs
import httpx

from omniedit.media.download import Downloader

MIB = 1024 * 1024
HTTP, TLS = 18080, 18443
CONF = """
worker_processes 1; daemon on; pid {root}/nginx.pid; error_log {root}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on; tcp_nopush on; types {{ video/mp4 mp4; }}
  client_body_temp_path {root}/a; proxy_temp_path {root}/b; fastcgi_temp_path {root}/c;
  uwsgi_temp_path {root}/d; scgi_temp_path {root}/e;
  server {{ listen 127.0.0.1:{http}; root {root}/www; }}
  server {{ listen 127.0.0.1:{tls} ssl; root {root}/www;
            ssl_certificate {root}/cert.pem; ssl_certificate_key {root}/key.pem; }}
}}
"""


@attrs.frozen
class Cost:
    """Seconds."""

    wall: float
    cpu: float


@attrs.frozen
class Job:
    """So many downloads of one file at once."""

    name: str
    url: str
    count: int


Run = Callable[[Job, Path], Awaitable[None]]


def main() -> None:
    """Measure and print; write JSON when asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--memory", nargs=2, metavar=("COUNT", "MIB"), type=int, help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory:
        asyncio.run(print_peak(options.root, *options.memory))
        return
    with tempfile.TemporaryDirectory() as folder, nginx(Path(folder)) as root:
        results = asyncio.run(measure(root, options.runs))
    text = json.dumps(results, indent=2)
    print(text)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(text + "\n")


async def measure(root: Path, runs: int) -> dict[str, object]:
    """All figures."""
    jobs = [
        Job("200 MB over http", f"http://127.0.0.1:{HTTP}/200.mp4", 1),
        Job("200 MB over TLS", f"https://localhost:{TLS}/200.mp4", 1),
        Job("32 x 10 MB over http", f"http://127.0.0.1:{HTTP}/10.mp4", 32),
    ]
    tls = ssl.create_default_context(cafile=root / "cert.pem")
    transfers = {job.name: await compare(job, root, tls, runs) for job in jobs}
    return {
        "machine": {"python": platform.python_version(), "cores": os.cpu_count(), "load": os.getloadavg()[0]},
        "runs": runs,
        "transfers": transfers,
        "memory": memory(root),
        "loop_lag_ms": await lag(root),
    }


async def compare(job: Job, root: Path, tls: ssl.SSLContext, runs: int) -> dict[str, object]:
    """Every contender in every round."""
    costs: dict[str, list[Cost]] = {}
    async with Downloader(allow_private=True, tls=tls) as downloader:

        async def omniedit(job: Job, out: Path) -> None:
            await asyncio.gather(*(downloader.download(job.url, out / f"{n}.mp4") for n in range(job.count)))

        contenders: dict[str, Run] = {
            "omniedit": omniedit,
            "httpx": lambda job, out: with_httpx(job, out, tls),
            "aiohttp + aiofiles": lambda job, out: with_aiofiles(job, out, tls),
        }
        for _ in range(runs):
            for name, run in contenders.items():
                costs.setdefault(name, []).append(await in_process(run, job, root))
            costs.setdefault("curl", []).append(with_curl(job, root, same_work=False))
            costs.setdefault("curl + openssl sha256 + sync", []).append(with_curl(job, root, same_work=True))
    return {name: summary(found, costs) for name, found in costs.items()}


def summary(found: list[Cost], costs: dict[str, list[Cost]]) -> dict[str, float]:
    """Medians, and ratios to curl of the same round."""
    result = {
        "wall_s": statistics.median(cost.wall for cost in found),
        "cpu_s": statistics.median(cost.cpu for cost in found),
    }
    for label, base in (("curl", "curl"), ("same_work", "curl + openssl sha256 + sync")):
        rounds = list(zip(found, costs[base], strict=True))
        result[f"wall_to_{label}"] = statistics.median(mine.wall / other.wall for mine, other in rounds)
        result[f"cpu_to_{label}"] = statistics.median(mine.cpu / other.cpu for mine, other in rounds)
    return {name: round(value, 3) for name, value in result.items()}


async def in_process(run: Run, job: Job, root: Path) -> Cost:
    """Measure a contender written in Python."""
    with tempfile.TemporaryDirectory(dir=root) as out:
        began, used = time.perf_counter(), cpu(resource.RUSAGE_SELF)
        await run(job, Path(out))
        cost = Cost(time.perf_counter() - began, cpu(resource.RUSAGE_SELF) - used)
        check_files(Path(out), job)
        return cost


def with_curl(job: Job, root: Path, *, same_work: bool) -> Cost:
    """Measure curl, alone or with the tools that do the rest of the work."""
    url = job.url if job.count == 1 else f"{job.url}?[0-{job.count - 1}]"
    name = "0.mp4" if job.count == 1 else "#1.mp4"
    many = [] if job.count == 1 else ["--parallel", "--parallel-immediate", "--parallel-max", str(job.count)]
    with tempfile.TemporaryDirectory(dir=root) as out:
        began, used = time.perf_counter(), cpu(resource.RUSAGE_CHILDREN)
        command = ["curl", "--no-progress-meter", "--cacert", str(root / "cert.pem"), *many, "-o", f"{out}/{name}", url]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        if same_work:
            files = sorted(map(str, Path(out).iterdir()))
            subprocess.run(["openssl", "dgst", "-sha256", *files], check=True, stdout=subprocess.DEVNULL)
            subprocess.run(["sync", *files], check=True)
        cost = Cost(time.perf_counter() - began, cpu(resource.RUSAGE_CHILDREN) - used)
        check_files(Path(out), job)
        return cost


def check_files(out: Path, job: Job) -> None:
    """A contender that saved less was not faster."""
    sizes = {path.stat().st_size for path in out.iterdir()}
    assert len(list(out.iterdir())) == job.count
    assert sizes == {(200 if job.count == 1 else 10) * MIB}


async def with_httpx(job: Job, out: Path, tls: ssl.SSLContext) -> None:
    """Stream with httpx, write in the loop: its documentation's example."""
    async with httpx.AsyncClient(verify=tls, timeout=60) as client:

        async def one(number: int) -> None:
            async with client.stream("GET", job.url) as reply:
                with (out / f"{number}.mp4").open("wb") as file:
                    async for chunk in reply.aiter_bytes():
                        file.write(chunk)

        await asyncio.gather(*(one(number) for number in range(job.count)))


async def with_aiofiles(job: Job, out: Path, tls: ssl.SSLContext) -> None:
    """Stream with aiohttp, write each chunk through aiofiles: what most examples do."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls, limit=0)) as session:

        async def one(number: int) -> None:
            async with session.get(job.url) as reply, aiofiles.open(out / f"{number}.mp4", "wb") as file:
                async for chunk in reply.content.iter_chunked(65536):
                    await file.write(chunk)

        await asyncio.gather(*(one(number) for number in range(job.count)))


def memory(root: Path) -> dict[str, float]:
    """Peak memory over that of an idle process, in MiB a stream: flat in the size of the file."""
    idle = peak(root, 0, 10)
    return {
        "one_stream_of_10": round(peak(root, 1, 10) - idle, 2),
        "one_stream_of_200": round(peak(root, 1, 200) - idle, 2),
        "per_stream_of_32": round((peak(root, 32, 10) - idle) / 32, 2),
    }


def peak(root: Path, count: int, size: int) -> float:
    """Peak resident memory of a process of its own; the median of five."""
    command = [sys.executable, __file__, "--root", str(root), "--memory", str(count), str(size)]
    found = [float(subprocess.run(command, check=True, capture_output=True, text=True).stdout) for _ in range(5)]
    return statistics.median(found)


async def print_peak(root: Path, count: int, size: int) -> None:
    """The measured process: one tiny download warms up what every process pays once."""
    with tempfile.TemporaryDirectory(dir=root) as out:
        async with Downloader(allow_private=True) as downloader:
            await downloader.download(f"http://127.0.0.1:{HTTP}/tiny.mp4", Path(out) / "tiny.mp4")
            url = f"http://127.0.0.1:{HTTP}/{size}.mp4"
            await asyncio.gather(*(downloader.download(url, Path(out) / f"{n}.mp4") for n in range(count)))
    status = Path("/proc/self/status").read_text()
    print(int(status.partition("VmHWM:")[2].split()[0]) / 1024)


async def lag(root: Path) -> dict[str, dict[str, float]]:
    """How late the loop runs a timer of 1 ms while 400 MB come in at 100 MB/s, fsync included.

    `idle` is the same loop with nothing to do, in turn with the downloads: what the machine itself costs.
    """
    late: dict[str, list[float]] = {"downloading": [], "idle": []}

    async def watch(found: list[float]) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            found.append((time.perf_counter() - before - 0.001) * 1000)

    async def load(out: str, batch: int) -> None:
        url = f"http://127.0.0.1:{HTTP}/10.mp4"
        await asyncio.gather(*(downloader.download(url, Path(out) / f"{batch}-{n}.mp4") for n in range(4)))

    with tempfile.TemporaryDirectory(dir=root) as out:
        async with Downloader(allow_private=True, limit_rate=100e6) as downloader:
            for batch in range(10):
                for name, work in (("downloading", load(out, batch)), ("idle", asyncio.sleep(0.4))):
                    watching = asyncio.create_task(watch(late[name]))
                    await work
                    watching.cancel()
    return {name: percentiles(found) for name, found in late.items()}


def percentiles(found: list[float]) -> dict[str, float]:
    """Median and 99th percentile."""
    ranked = sorted(found)
    return {name: round(ranked[int(len(ranked) * share)], 2) for name, share in (("p50", 0.5), ("p99", 0.99))}


@contextmanager
def nginx(root: Path) -> Iterator[Path]:
    """A server of our own on loopback, stopped by its process id."""
    for folder in ("www", "a", "b", "c", "d", "e"):
        (root / folder).mkdir()
    root.chmod(0o755)
    for name, size in (("tiny", 64 * 1024), ("10", 10 * MIB), ("200", 200 * MIB)):
        write_clip(root / "www" / f"{name}.mp4", size)
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-keyout", str(root / "key.pem"), "-out", str(root / "cert.pem")]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names, *files]
    subprocess.run(command, check=True, capture_output=True)
    (root / "nginx.conf").write_text(CONF.format(root=root, http=HTTP, tls=TLS))
    subprocess.run(["nginx", "-c", str(root / "nginx.conf"), "-e", str(root / "error.log")], check=True)
    try:
        yield root
    finally:
        os.kill(int((root / "nginx.pid").read_text()), 15)
        while (root / "nginx.pid").exists():
            time.sleep(0.01)


def write_clip(path: Path, size: int) -> None:
    """A small real clip, made long by an mdat box that nothing refers to."""
    from omniedit.testing import sample_clip

    sample_clip(path, 0.5, size=(64, 48))
    with path.open("ab") as file:
        rest = size - file.tell() - 8
        file.write(struct.pack(">I4s", rest + 8, b"mdat"))
        for start in range(0, rest, MIB):
            file.write(os.urandom(min(MIB, rest - start)))


def cpu(who: int) -> float:
    """User and system seconds."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
