"""The whole pipeline under an open loop: Kite socket to a consumer's decoded, checked record.

Clock: latency counts from the moment a packet was *meant* to be sent to the moment the consumer
has its entry in hand, both by this machine's wall clock. A run in which the generator fell behind
its schedule, a tick was lost, out of order or wrong is reported as failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.servers import redis_server
from tests.benchmarks.load.feed import BEHIND_S_MAX
from tests.benchmarks.load.market import DIVIDEND_YIELD, RATE, UNDERLYINGS
from tests.benchmarks.load.processes import Talker, cpu_s, running

READY_S_MAX = 120.0
RUN_S = 6.0
#: A run sustains its rate when the last tick arrives this soon after it was due.
TAIL_S_MAX = 1.0
LATENCY_RATE = 50_000
FRAMES = (1, 5, 20, 200)
#: Rates tried per frame size, ascending; the highest that passes is the sustained one.
RATES = {
    1: (10_000, 20_000, 30_000, 40_000),
    5: (25_000, 50_000, 100_000, 150_000),
    20: (50_000, 100_000, 150_000, 200_000, 300_000),
    200: (100_000, 200_000, 300_000, 400_000, 500_000),
}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The processes under load; `pids` by name, for their CPU time."""

    feed: Talker
    consumer: Talker
    pids: dict[str, int]


@contextlib.contextmanager
def pipeline(directory: Path) -> Iterator[Pipeline]:
    """Run one Redis, a feed, ingest, enrich, a consumer, until the block ends."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(enter(redis_server("ticks", directory / "redis")))

        def start(
            module: str, *arguments: str, environment: dict[str, str] | None = None
        ) -> Talker:
            log = directory / f"{module.rsplit('.', 1)[-1]}.log"
            talking = running(module, *arguments, environment=environment or {}, log=log)
            return stack.enter_context(talking)

        feed = start("tests.benchmarks.load.feed")
        where = feed.hear()
        port = 20_000 + (feed.process.pid % 20_000)
        ingest = start("ingest", environment=ingest_environment(where, server, port))
        enrich = start("enrich", environment=enrich_environment(server, port + 1))
        for probe in (port, port + 1):
            await_ready(probe)
        url = server.url_for("ops").reveal()
        consumer = start("tests.benchmarks.load.consumer", url, str(where["now_s"]))
        consumer.hear()
        pids = {"feed": feed.process.pid, "ingest": ingest.process.pid, "redis": server.child.identity.pid,
                "enrich": enrich.process.pid, "consumer": consumer.process.pid}  # fmt: skip
        yield Pipeline(feed, consumer, pids)


@contextlib.contextmanager
def enter(entering: contextlib.AbstractAsyncContextManager[Any]) -> Iterator[Any]:
    """Hold what is entered and left on a loop of its own."""
    with asyncio.Runner() as runner:
        held = runner.run(_enter(entering))
        try:
            yield held
        finally:
            runner.run(_leave(entering))


async def _enter(entering: contextlib.AbstractAsyncContextManager[Any]) -> Any:
    return await entering.__aenter__()


async def _leave(entering: contextlib.AbstractAsyncContextManager[Any]) -> None:
    await entering.__aexit__(None, None, None)


def ingest_environment(where: dict[str, Any], server: Any, port: int) -> dict[str, str]:
    """Return the settings of an ingest worker on the feed."""
    url = server.url_for("ingest").reveal()
    return {
        "TICKFLOW_REDIS__TICKS_URL": url,
        "TICKFLOW_REDIS__ORDERS_URL": url,
        "TICKFLOW_KITE__REST_URL": where["rest_url"],
        "TICKFLOW_KITE__WS_URL": where["ws_url"],
        "TICKFLOW_ACCOUNT__ID": "BENCH1",
        "TICKFLOW_ACCOUNT__API_KEY": "bench",
        "TICKFLOW_ACCOUNT__ACCESS_TOKEN": "bench",
        "TICKFLOW_INGEST__UNDERLYINGS": ",".join(f"LOAD{n:02d}" for n in range(UNDERLYINGS)),
        "TICKFLOW_INGEST__STRIKES_EACH_SIDE": "0",
        "TICKFLOW_INGEST__EXPIRIES": "2",
        "TICKFLOW_PROBE__PORT": str(port),
    }


def enrich_environment(server: Any, port: int) -> dict[str, str]:
    """Return the settings of an enrichment worker that knows the load's rates."""
    url = server.url_for("enrich").reveal()
    return {
        "TICKFLOW_REDIS__TICKS_URL": url,
        "TICKFLOW_REDIS__ORDERS_URL": url,
        "TICKFLOW_ENRICH__PRICING__RATE": str(RATE),
        "TICKFLOW_ENRICH__PRICING__DIVIDEND_YIELD": str(DIVIDEND_YIELD),
        "TICKFLOW_PROBE__PORT": str(port),
    }


def await_ready(port: int, every_s: float = 0.2) -> None:
    """Wait for a worker's probe."""
    deadline_s = time.monotonic() + READY_S_MAX
    while time.monotonic() < deadline_s:
        if _is_ready(f"http://127.0.0.1:{port}/readyz"):
            return
        time.sleep(every_s)
    raise TimeoutError(f"no worker became ready on port {port} within {READY_S_MAX} s")


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def measure(running_pipeline: Pipeline, rate: int, size: int, seconds: float) -> dict[str, Any]:
    """Send `rate` ticks/s in frames of `size`; return the consumer's figures with `failed`."""
    p = running_pipeline
    before = {name: cpu_s(pid) for name, pid in p.pids.items()}
    expected = round(rate * seconds / size) * size
    p.consumer.say(f"{expected} {seconds + 20}")
    started_s = time.monotonic()
    p.feed.say(f"{rate} {size} {seconds}")
    sent = p.feed.hear()
    seen = p.consumer.hear()
    took_s = time.monotonic() - started_s
    cores = {name: (cpu_s(pid) - before[name]) / took_s for name, pid in p.pids.items()}
    lost = sent["sent"] - seen["received"]
    reasons = [
        reason
        for reason, wrong in (
            (f"generator ended {sent['behind_s']:.2f} s behind", sent["behind_s"] > BEHIND_S_MAX),
            (f"{lost} ticks lost", lost != 0),
            (f"{seen['sequence_breaks']} out of sequence", seen["sequence_breaks"] > 0),
            (f"{seen['wrong']} wrong volatilities", seen["wrong"] > 0 or seen["checked"] == 0),
            (f"last tick {took_s - seconds:.1f} s late", took_s - seconds > TAIL_S_MAX),
        )
        if wrong
    ]
    return {**seen, "rate": rate, "frame": size, "lost": lost, "cores": cores, "failed": reasons}


def results() -> list[dict[str, Any]]:
    """Return the end-to-end figures, as rows of the benchmark table."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="tickflow-bench-") as name, pipeline(Path(name)) as p:
        measure(p, 20_000, 200, 2.0)  # everything compiled, connected, allocated
        lost = 0
        for size in FRAMES:
            best: dict[str, Any] | None = None
            for rate in RATES[size]:
                run = measure(p, rate, size, RUN_S)
                print(_line(run), flush=True)
                if run["failed"]:
                    break
                best = run
            if best:
                lost += best["lost"]
                rows.append(
                    _row(
                        f"e2e.sustained_ticks_per_s.frames_of_{size}",
                        best["rate"],
                        "ticks/s",
                        _line(best),
                    )
                )
        at_200 = [row for row in rows if row["name"].endswith("frames_of_200")]
        rows += [{**row, "name": "e2e.sustained_ticks_per_s"} for row in at_200]
        rows.append(_row("e2e.lost_ticks", lost, "ticks", "over the sustained runs"))
        for size in (20, 200):
            run = measure(p, LATENCY_RATE, size, RUN_S)
            print(_line(run), flush=True)
            suffix = "" if size == 200 else f".frames_of_{size}"
            rows.append(_row(f"e2e.latency_p50_ms{suffix}", run["p50_ms"], "ms", _line(run)))
            rows.append(_row(f"e2e.latency_p99_ms{suffix}", run["p99_ms"], "ms", _line(run)))
    return rows


def _row(name: str, value: float, unit: str, context: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": unit, "context": context}


def _line(run: dict[str, Any]) -> str:
    cores = " ".join(f"{name} {share:.2f}" for name, share in run["cores"].items())
    failed = "; ".join(run["failed"])
    return (
        f"{run['rate']} ticks/s in frames of {run['frame']}: lost {run['lost']}, checked"
        f" {run['checked']}, p50 {run['p50_ms']:.2f} ms, p99 {run['p99_ms']:.2f} ms; cores: {cores}"
        + (f"; FAILED: {failed}" if failed else "")
    )
