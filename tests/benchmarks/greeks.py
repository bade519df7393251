"""`python -m tests.benchmarks.greeks`: our solver and others on the same options, in one run.

One thread on one core, CPU time; solvers take turns, so that a machine that slows down slows all.
Writes build/bench-greeks.json, ends with 1 where a target was missed.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from shared.runtime.numba_cache import prepare_numba_cache
from tests.benchmarks.__main__ import ROOT, machine
from tests.benchmarks.peers import options as asked
from tests.benchmarks.peers.environment import ENVIRONMENTS, Absent, python_of
from tests.benchmarks.peers.exact import exact

CALLS = Path(__file__).parent / "peers" / "calls.py"
OUT = ROOT / "build" / "bench-greeks.json"
OURS, RECORDS, VECTORIZED = "tickflow", "tickflow_records", "py_vollib_vectorized"
#: Ours and what is written here for comparison need no environment of their own.
AT_HOME = (OURS, RECORDS, "numba_newton")
ELSEWHERE = ("numpy_newton", VECTORIZED, "py_vollib", "quantlib", "fast_vollib", "iv_engine", "opengreeks")  # fmt: skip
#: What a developer could write himself is no peer on PyPI.
BASELINES = ("numba_newton", "numpy_newton")
ROUNDS = 5
GREEKS = ("delta", "gamma", "theta", "vega", "rho")
ONE_THREAD = ("OMP", "MKL", "OPENBLAS", "NUMBA", "RAYON")
ANSWER_S_MAX = 300


class Broken(Exception):
    """A solver did not answer, or answered with an error."""


@dataclass(slots=True)
class Solver:
    """One solver in its own process, with what was measured of it."""

    name: str
    process: subprocess.Popen[str]
    #: Nanoseconds an option of each round, by (what, prices).
    ns: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    error: dict[str, float] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)

    def ask(self, **told: Any) -> dict[str, Any]:
        """Send one line, return the answer.

        Raises:
            Broken: it answered with an error, or ended.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(told) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline() or '{"error": "ended"}')
        if "error" in answer:
            raise Broken(answer["error"])
        return answer

    def median(self, what: str, prices: str = "full precision") -> float:
        """Return nanoseconds an option."""
        return statistics.median(self.ns[what, prices])


@contextlib.contextmanager
def started(name: str, python: Path) -> Iterator[Solver]:
    """Run a solver until the block ends.

    Raises:
        Absent: it cannot be imported, or its process ends.
    """
    environment = {**os.environ, **{f"{word}_NUM_THREADS": "1" for word in ONE_THREAD}}
    if name in AT_HOME:
        environment["PYTHONPATH"] = str(ROOT)
    else:
        environment["NUMBA_CACHE_DIR"] = str(ENVIRONMENTS / name / "numba")
    process = subprocess.Popen(
        [str(python), str(CALLS), name], env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        if not process.stdout.readline():
            said = [line for line in process.stderr.read().splitlines() if line.strip()]
            raise Absent(said[-1][:200] if said else "its process ended")
        try:
            yield Solver(name, process)
        finally:
            process.kill()


def use(solver: Solver, folder: Path, name: str, options: dict[str, np.ndarray]) -> None:
    """Have a solver take these options."""
    path = folder / f"{name}.npz"
    if not path.exists():
        np.savez(path, **{n: options[n] for n in asked.NAMES})
    solver.ask(do="use", path=str(path))


def solved(solver: Solver, folder: Path, what: str = "vol") -> tuple[np.ndarray, np.ndarray]:
    """Return what a solver makes of the options it has taken: volatilities, Greeks."""
    path = folder / "answer.npz"
    solver.ask(do="solve", what=what, path=str(path))
    with np.load(path) as kept:
        return kept["vol"], kept["greeks"]


def measure_speed(
    solvers: list[Solver], folder: Path, prices: str, options: dict[str, np.ndarray]
) -> None:
    """Time every solver, one after the other, so many rounds; the first of all is not counted."""
    for solver in solvers:
        use(solver, folder, prices, options)
    for number in range(ROUNDS + 1):
        for what in ("vol", "full"):
            for solver in solvers:
                ns = solver.ask(do="time", what=what)["ns"]
                if number:
                    solver.ns.setdefault((what, prices), []).append(ns)


def measure_accuracy(
    solver: Solver, folder: Path, prices: str, options: dict[str, np.ndarray], truth: np.ndarray
) -> None:
    """Compare volatilities, then Greeks made from the price alone, with the exact ones."""
    use(solver, folder, prices, options)
    vol, greeks = solved(solver, folder, "full")
    error = np.abs(vol - truth[0])
    solver.error[f"vol.{prices}"] = float(np.nanmax(error))
    solver.failures[prices] = int((~(error <= 1e-3)).sum())
    decay = truth[4] * 100.0 * truth[0] / (2.0 * options["T"]) / 365.0
    for place, name in enumerate(GREEKS):
        scale = np.abs(truth[1 + place])
        scale = np.maximum(scale, decay) if name == "theta" else scale
        off = np.abs(greeks[place] - truth[1 + place]) / scale
        known = off[np.isfinite(off)]  # the others are counted as failures, or not made at all
        solver.error[f"{name}.{prices}"] = float(known.max()) if len(known) else math.nan


def measure_hard(solver: Solver, folder: Path, vectors: dict[str, np.ndarray]) -> None:
    """Count failures: no number, a number that is off, a number where there is none."""
    try:
        use(solver, folder, "vectors", vectors)
        vol, _ = solved(solver, folder)
        error = np.abs(vol / vectors["vol"] - 1.0)
        wrong = ~(error <= np.maximum(1e-6, 64.0 * vectors["cond"]))
        for region in np.unique(vectors["region"]):
            solver.failures[str(region)] = int(wrong[vectors["region"] == region].sum())
        gate = error / np.maximum(1e-13, 8.0 * vectors["cond"])
        solver.error["vectors.over_gate"] = float(np.nanmax(gate))
        goal = error / np.maximum(1e-14, 4.0 * vectors["cond"])
        solver.error["vectors.over_goal"] = float(np.nanmax(goal))
    except Broken:
        solver.failures["vectors, batch lost"] = len(vectors["vol"])
    for name, rows in asked.unsolvable().items():
        try:
            use(solver, folder, name.replace(" ", "_"), rows)
            vol, _ = solved(solver, folder)
            solver.failures[name] = int(np.isfinite(vol).sum())
        except Broken:
            solver.failures[f"{name}, batch lost"] = len(rows["price"])


def run() -> tuple[list[Solver], dict[str, str]]:
    """Return what was measured, and why peers are missing."""
    missing: dict[str, str] = {}
    solvers: list[Solver] = []
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    full = asked.chain()
    chains = {"full precision": full, "rounded": asked.rounded(full)}
    vectors = asked.solvable()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-greeks-")))
        for name in (*AT_HOME, *ELSEWHERE):
            try:
                python = Path(sys.executable) if name in AT_HOME else python_of(name)
                solvers.append(stack.enter_context(started(name, python)))
            except Absent as reason:
                missing[name] = str(reason)
                print(f"skipped {name}: {reason}", flush=True)
        for prices, options in chains.items():
            print(f"measuring, prices {prices} ...", flush=True)
            measure_speed(solvers, folder, prices, options)
            use(solvers[0], folder, prices, options)
            truth = exact(options, solved(solvers[0], folder)[0])
            for solver in solvers:
                measure_accuracy(solver, folder, prices, options, truth)
        for solver in solvers:
            measure_hard(solver, folder, vectors)
    return solvers, missing


def ratio(one: Solver, other: Solver, what: str) -> float:
    """Return how many times longer one takes: the median over rounds of both."""
    key = (what, "full precision")
    pairs = zip(one.ns[key], other.ns[key], strict=True)
    return statistics.median(a / b for a, b in pairs)


def rows_of(solvers: list[Solver], missing: dict[str, str]) -> list[dict[str, Any]]:
    """Return every figure as a line of the benchmark file."""
    ours = solvers[0]
    rows: list[dict[str, Any]] = []

    def add(name: str, value: float, unit: str, context: str) -> None:
        rows.append({"name": f"greeks.{name}", "value": value, "unit": unit, "context": context})

    for solver in solvers:
        of = solver.name
        for what, prices in solver.ns:
            add(f"{what}_options_per_s.{of}", 1e9 / solver.median(what, prices), "options/s", f"prices {prices}")  # fmt: skip
        for name, error in solver.error.items():
            add(f"error_max.{of}.{name.replace(' ', '_')}", error, "", "largest, against 40 digits")
        told = ", ".join(f"{name} {count}" for name, count in solver.failures.items() if count)
        add(f"failures.{of}", sum(solver.failures.values()), "rows", told or "none")
        if solver is not ours:
            add(f"ratio_to_{of}", ratio(solver, ours, "full"), "times", "vol with five Greeks")
            add(f"vol_ratio_to_{of}", ratio(solver, ours, "vol"), "times", "vol alone")
    for name, reason in missing.items():
        add(f"skipped.{name}", 0.0, "", reason)
    return rows


def verdicts(solvers: list[Solver]) -> list[tuple[str, float, float, float, bool]]:
    """Return target, figure, bound, goal, whether met; at most for bounds below the goal's."""
    by_name = {solver.name: solver for solver in solvers}
    ours = by_name[OURS]
    peers = [s for s in solvers if s.name not in (*AT_HOME, *BASELINES, VECTORIZED)]
    found = []
    if VECTORIZED in by_name:
        value = ratio(by_name[VECTORIZED], ours, "full")
        found.append((f"times {VECTORIZED}, at least", value, 60.0, 100.0, value >= 60.0))
    if peers:
        fastest = min(peers, key=lambda s: s.median("full"))
        value = ratio(fastest, ours, "full")
        found.append((f"times {fastest.name}, at least", value, 15.0, 25.0, value >= 15.0))
    value = ours.error["vectors.over_gate"]
    found.append(("error over max(1e-13, 8 cond), at most", value, 1.0, 1.0, value <= 1.0))
    value = ours.error["vectors.over_goal"]
    found.append(("error over max(1e-14, 4 cond), a goal", value, 1.0, 1.0, True))
    value = float(sum(ours.failures.values()))
    found.append(("failures, hard rows included, at most", value, 0.0, 0.0, value == 0.0))
    value = ratio(by_name[RECORDS], ours, "full")
    found.append(("records over separate arrays, at most", value, 1.25, 1.15, value <= 1.25))
    return found


def show(solvers: list[Solver]) -> None:
    """Print one line a solver."""
    table = Table(title=f"10,000 options, one thread; {machine()}")
    for head in ("solver", "vol ns", "with Greeks ns", "options/s", "ratio", "rounded ns", "max vol error",
                 "rounded", "worst Greek", "failures"):  # fmt: skip
        table.add_column(head, justify="left" if head == "solver" else "right")
    for solver in solvers:
        worst = {name: solver.error[f"{name}.full precision"] for name in GREEKS}
        known = {name: error for name, error in worst.items() if error == error}  # noqa: PLR0124
        name = max(known, key=lambda n: known[n], default="none")
        table.add_row(
            solver.name, f"{solver.median('vol'):,.1f}", f"{solver.median('full'):,.1f}",
            f"{1e9 / solver.median('full'):,.0f}", f"{ratio(solver, solvers[0], 'full'):,.1f}",
            f"{solver.median('full', 'rounded'):,.1f}", f"{solver.error['vol.full precision']:.1e}",
            f"{solver.error['vol.rounded']:.1e}", f"{name} {known.get(name, math.nan):.0e}",
            str(sum(solver.failures.values())),
        )  # fmt: skip
    Console(width=None if sys.stdout.isatty() else 170).print(table)
    for solver in solvers:
        told = ", ".join(f"{name} {count}" for name, count in solver.failures.items() if count)
        print(f"failures of {solver.name}: {told or 'none'}")


def main() -> int:
    """Measure, print, write; return 1 where a target was missed."""
    solvers, missing = run()
    show(solvers)
    found = verdicts(solvers)
    for what, value, bound, goal, is_met in found:
        word = "met" if is_met else "MISSED"
        print(f"{word}: {what} {bound:g} (goal {goal:g}): {value:.3g}")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(rows_of(solvers, missing), indent=1) + "\n")
    print(f"written to {OUT.relative_to(ROOT)}")
    return 0 if all(is_met for *_, is_met in found) else 1


if __name__ == "__main__":
    prepare_numba_cache()
    sys.exit(main())
