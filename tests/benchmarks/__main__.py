"""`python -m tests.benchmarks [SECTION...]`: measure, print a table, write build/bench.json."""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from shared.runtime.numba_cache import prepare_numba_cache

ROOT = Path(__file__).resolve().parents[2]
#: In this order: short ones first.
SECTIONS = (
    "decode",
    "ingest",
    "instruments",
    "enrichment",
    "limits",
    "startup",
    "executor",
    "orders",
    "publisher",
    "kafka",
    "kafka_codecs",
    "kafka_recovery",
    "end_to_end",
    "floor",
    "fan_out",
)


def machine() -> str:
    """Return what ran this: figures mean nothing without it."""
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    model = names[0] if names else platform.processor()
    return f"{os.cpu_count()} x {model}, Python {platform.python_version()}"


def turn_ns() -> float:
    """Return what one turn of an empty loop costs here, in nanoseconds: a shared machine's mood.

    Figures of two days are comparable as far as this one is the same in both.
    """
    turns = 2_000_000
    begun = time.process_time_ns()
    for _ in range(turns):
        pass
    return (time.process_time_ns() - begun) / turns


def measured(name: str) -> list[dict[str, Any]]:
    """Return one section's rows, with how fast the machine was when it began and ended."""
    print(f"measuring {name} ...", flush=True)
    before = turn_ns()
    rows: list[dict[str, Any]] = importlib.import_module(f"tests.benchmarks.{name}").results()
    for row in rows:
        print(f"  {row['name']}  {shown(row['value'])} {row['unit']}", flush=True)
    context = f"before {before:.0f}; an empty loop's turn, for comparing days"
    speed = {"name": f"machine.{name}.turn_ns", "value": turn_ns(), "unit": "ns"}
    return [*rows, speed | {"context": context}]


def shown(value: float) -> str:
    """Return a figure with the digits it deserves."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def main(wanted: list[str]) -> int:
    """Run the sections, print and write their rows."""
    rows: list[dict[str, Any]] = []
    for name in wanted:
        rows += measured(name)
    table = Table(title=machine())
    for head in ("name", "value", "unit", "context"):
        table.add_column(head, justify="right" if head == "value" else "left", overflow="fold")
    for row in rows:
        table.add_row(row["name"], shown(row["value"]), row["unit"], row["context"])
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    out = ROOT / "build" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(rows, indent=1) + "\n")
    print(f"written to {out.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    prepare_numba_cache()
    unknown = set(sys.argv[1:]) - set(SECTIONS)
    if unknown:
        sys.exit(f"no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    sys.exit(main(sys.argv[1:] or list(SECTIONS)))
