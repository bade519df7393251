"""A worker's start with what it compiled before: from the command to `/readyz`, and the kernels' part."""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import redis

from deploy.local.servers import redis_server
from tests.benchmarks.end_to_end import await_ready, enter
from tests.benchmarks.load.processes import cpu_s, running
from tests.soak.enrichment import listed, publish

STARTS = 3
#: What an empty machine is asked for; here it is a figure, not a judgement.
GOAL_S = 3.0


def results() -> list[dict[str, Any]]:
    """Return seconds of warm starts of one enrichment worker with 40,000 instruments."""
    with (
        tempfile.TemporaryDirectory(prefix="tickflow-bench-") as name,
        enter(redis_server("ticks", Path(name) / "redis")) as server,
    ):
        with redis.Redis.from_url(server.url_for("ops").reveal()) as client:
            publish(client, listed(time.time_ns()))
        url = server.url_for("enrich").reveal()
        _start(url, Path(name))  # compiles what is not there yet
        runs = [_start(url, Path(name)) for _ in range(STARTS)]
    ready_s, warm_s, spent_s = (statistics.median(each) for each in zip(*runs, strict=True))
    context = f"40,000 instruments, everything compiled before, median of {STARTS}"
    return [
        _row("startup.enrich_ready_s", ready_s, f"command to /readyz; {context}; goal {GOAL_S} s"),
        _row("startup.enrich_kernels_s", warm_s, f"kernels loaded and run once; {context}"),
        _row("startup.enrich_cpu_s", spent_s, f"CPU time of it; {context}"),
    ]


def _start(url: str, directory: Path) -> tuple[float, float, float]:
    """Return how long until it was ready, for its kernels, and the CPU time, in seconds."""
    port, log = 22_000 + int(time.monotonic() * 10) % 20_000, directory / "enrich.log"
    environment = {
        "TICKFLOW_REDIS__TICKS_URL": url,
        "TICKFLOW_REDIS__ORDERS_URL": url,
        "TICKFLOW_PROBE__PORT": str(port),
        "TICKFLOW_LOG__FORMAT": "json",
    }
    begun_s = time.monotonic()
    with running("enrich", environment=environment, log=log) as worker:
        await_ready(port, every_s=0.02)
        ready_s, spent_s = time.monotonic() - begun_s, cpu_s(worker.process.pid)
        found = re.search(r'"kernels\.warm".*?"seconds": ?([0-9.]+)|"seconds": ?([0-9.]+).*?"kernels\.warm"',
                          log.read_text())  # fmt: skip
    return ready_s, float(next(filter(None, found.groups()))) if found else 0.0, spent_s


def _row(name: str, value: float, context: str) -> dict[str, Any]:
    return {"name": name, "value": value, "unit": "s", "context": context}
