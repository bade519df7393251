"""Ingest alone: from Kite's socket into Redis, in ticks per second of its own CPU time.

A real feed, a real Redis, the worker as it runs; its CPU seconds are the kernel's account of the
process. A run in which the feed fell behind, or a packet was left out, is reported as failed.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from deploy.local.servers import redis_server
from tests.benchmarks.end_to_end import await_ready, enter, ingest_environment
from tests.benchmarks.load.feed import BEHIND_S_MAX
from tests.benchmarks.load.processes import Talker, cpu_s, running

RUN_S: Final = 5.0
#: Rates at which the worker has work all the time on a machine of two cores, per frame size.
BUSY: Final = {200: 300_000, 20: 100_000, 1: 8_000}
#: What a full account is expected to send in a busy minute.
EVERYDAY_RATE: Final = 18_000
EVERYDAY_FRAMES: Final = (200, 20)
DRAIN_S_MAX: Final = 10.0
_FIGURE: Final = re.compile(r"^(tickflow_ingest_\w+_total)(?:{[^}]*})? (\S+)$", re.MULTILINE)

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """A feed, and the ingest worker that reads it."""

    feed: Talker
    ingest: Talker
    probe: str


@dataclass(frozen=True, slots=True)
class Run:
    """What one load cost: ticks sent, ingest's CPU seconds, entries written, why it failed."""

    ticks: int
    busy_s: float
    took_s: float
    entries: int
    failed: str

    @property
    def context(self) -> str:
        """Return the figures beside the one reported."""
        share = 100 * self.busy_s / self.took_s
        text = f"{self.ticks / self.took_s:,.0f} ticks/s, {share:.0f} % of a core, "
        text += f"{self.entries / self.took_s:,.0f} entries/s"
        return text + (f"; FAILED: {self.failed}" if self.failed else "")


def results() -> list[Row]:
    """Return the rows of the benchmark table."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="tickflow-bench-") as name, line(Path(name)) as made:
        measure(made, 20_000, 200, 2.0)
        for size, rate in BUSY.items():
            run = measure(made, rate, size, RUN_S)
            rows.append(
                {
                    "name": f"ingest.ticks_per_cpu_s.frames_of_{size}",
                    "value": run.ticks / run.busy_s,
                    "unit": "ticks/s",
                    "context": f"per core; {run.context}",
                }
            )
        for size in EVERYDAY_FRAMES:
            run = measure(made, EVERYDAY_RATE, size, RUN_S)
            rows.append(
                {
                    "name": f"ingest.cpu_share_at_{EVERYDAY_RATE}.frames_of_{size}",
                    "value": 100 * run.busy_s / run.took_s,
                    "unit": "% of a core",
                    "context": run.context,
                }
            )
    return rows


@contextlib.contextmanager
def line(directory: Path) -> Iterator[Line]:
    """Run one Redis, a feed, ingest, until the block ends."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(enter(redis_server("ticks", directory / "redis")))
        log = directory / "feed.log"
        feed = stack.enter_context(running("tests.benchmarks.load.feed", environment={}, log=log))
        where = feed.hear()
        port = 20_000 + (feed.process.pid % 20_000)
        environment = ingest_environment(where, server, port)
        ingest = stack.enter_context(
            running("ingest", environment=environment, log=directory / "ingest.log")
        )
        await_ready(port)
        yield Line(feed, ingest, f"http://127.0.0.1:{port}/metrics")


def measure(made: Line, rate: int, size: int, seconds: float) -> Run:
    """Send `rate` ticks/s in frames of `size`; return what it cost until all were written."""
    before, cpu_before_s = _figures(made), cpu_s(made.ingest.process.pid)
    began_s = time.monotonic()
    made.feed.say(f"{rate} {size} {seconds}")
    sent = made.feed.hear()
    took_s = time.monotonic() - began_s
    wanted = before["tickflow_ingest_packets_total"] + sent["sent"]
    figures = _figures(made)
    while figures["tickflow_ingest_packets_total"] < wanted:
        if time.monotonic() > began_s + seconds + DRAIN_S_MAX:
            break
        time.sleep(0.2)
        figures = _figures(made)
    left_out = figures.get("tickflow_ingest_left_out_total", 0.0) - before.get(
        "tickflow_ingest_left_out_total", 0.0
    )
    missing = wanted - figures["tickflow_ingest_packets_total"]
    reasons = [
        reason
        for reason, wrong in (
            (f"feed ended {sent['behind_s']:.2f} s behind", sent["behind_s"] > BEHIND_S_MAX),
            (f"{missing:.0f} ticks not received", missing > 0),
            (f"{left_out:.0f} ticks left out", left_out > 0),
        )
        if wrong
    ]
    entries = figures["tickflow_ingest_entries_total"] - before["tickflow_ingest_entries_total"]
    busy_s = cpu_s(made.ingest.process.pid) - cpu_before_s
    return Run(int(sent["sent"]), busy_s, took_s, int(entries), "; ".join(reasons))


def _figures(made: Line) -> dict[str, float]:
    with urllib.request.urlopen(made.probe, timeout=5) as answer:
        text = answer.read().decode()
    found: dict[str, float] = {}
    for name, value in _FIGURE.findall(text):
        found[name] = found.get(name, 0.0) + float(value)
    return found


if __name__ == "__main__":
    for row in results():
        print(f"{row['name']:45} {row['value']:>12,.1f} {row['unit']:12} {row['context']}")
