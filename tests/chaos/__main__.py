"""`python -m tests.chaos --runs 2000 --kills 200 --seed 1`: crashes, faults, a judgement of each."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Final

import structlog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.chaos.drive import Verdict, run
from tests.chaos.kills import KILL_FAULTS, kill
from tests.chaos.plan import Scenario, draw
from tests.chaos.rig import ACCOUNTS, Rig, running_broker, running_rig

#: Runs side by side: most of a run is waiting.
AT_ONCE: Final = 6
WRONG_MAX: Final = 10
#: How often a run without a terminal says how far it is.
TOLD_EVERY: Final = 25


class Campaign:
    """Many runs: side by side, but alone where a run takes a server away."""

    def __init__(self, rig: Rig, advance: Callable[[Verdict], None], seed: int) -> None:
        self._rig = rig
        self._advance = advance
        self._seed = seed
        self.verdicts: list[Verdict] = []

    async def run(self, scenarios: list[Scenario]) -> None:
        for generation, start in enumerate(range(0, len(scenarios), ACCOUNTS)):
            block = scenarios[start : start + ACCOUNTS]
            async with running_broker(self._seed, generation) as broker:
                side = asyncio.Semaphore(AT_ONCE)

                async def one(what: Scenario, broker=broker, side=side) -> None:
                    async with side:
                        self._note(await run(self._rig, broker, what))

                async with asyncio.TaskGroup() as group:
                    for what in block:
                        if not what.is_exclusive:
                            group.create_task(one(what))
                for what in block:
                    if what.is_exclusive:
                        self._note(await run(self._rig, broker, what))
            if self.has_seen_enough:
                return

    def _note(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)
        self._advance(verdict)

    @property
    def has_seen_enough(self) -> bool:
        return sum(bool(each.wrong) for each in self.verdicts) >= WRONG_MAX


async def campaign(chosen: argparse.Namespace, console: Console) -> list[Verdict]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[wrong]} wrong"),
    )
    async with running_rig() as rig:
        with Progress(*columns, console=console) as progress:

            def begin(name: str, total: int) -> Callable[[Verdict], None]:
                bar, found = progress.add_task(name, total=total, wrong=0), Counter[bool]()

                def advance(verdict: Verdict) -> None:
                    found[bool(verdict.wrong)] += 1
                    tell(verdict, console)
                    progress.update(bar, advance=1, wrong=found[True])
                    if not console.is_terminal and found.total() % TOLD_EVERY == 0:
                        console.print(f"{name}: {found.total()} of {total}, {found[True]} wrong")

                return advance

            done = Campaign(rig, begin("crashes in process", chosen.runs), chosen.seed)
            await done.run([draw(chosen.seed + number) for number in range(chosen.runs)])
            kills = await kill_many(rig, chosen, begin("kill -9, SIGSTOP", chosen.kills))
    return [*done.verdicts, *kills]


async def kill_many(
    rig: Rig, chosen: argparse.Namespace, advance: Callable[[Verdict], None]
) -> list[Verdict]:
    verdicts: list[Verdict] = []
    for start in range(0, chosen.kills, ACCOUNTS):
        async with running_broker(chosen.seed, 100_000 + start) as broker:
            for number in range(start, min(chosen.kills, start + ACCOUNTS)):
                verdicts.append(await kill(rig, broker, chosen.seed + number))
                advance(verdicts[-1])
        if sum(bool(each.wrong) for each in verdicts) >= WRONG_MAX:
            break
    return verdicts


def tell(verdict: Verdict, console: Console) -> None:
    """Say at once what was wrong, and how to see it again."""
    if not verdict.wrong:
        return
    console.print(f"WRONG  {verdict.scenario}", markup=False)
    for sentence in verdict.wrong:
        console.print(f"       {sentence}", markup=False)
    again = "RUNS=0 KILLS=1" if verdict.scenario.fault in KILL_FAULTS else "RUNS=1 KILLS=0"
    console.print(f"       again: make chaos SEED={verdict.scenario.seed} {again}")


def table(verdicts: list[Verdict]) -> Table:
    """Return a row per fault."""
    found = Table("fault", "runs", "lives", "crashes", "median s", "longest s", "ends", "wrong")
    by_fault: dict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        by_fault[verdict.scenario.fault].append(verdict)
    for fault, rows in sorted(by_fault.items()):
        seconds = sorted(each.seconds for each in rows)
        ends: dict[str, int] = defaultdict(int)
        for verdict in rows:
            for state in verdict.states.values():
                ends[state] += 1
        told = ", ".join(f"{name} {count}" for name, count in sorted(ends.items()))
        found.add_row(
            fault,
            str(len(rows)),
            str(sum(each.lives for each in rows)),
            str(sum(each.crashed for each in rows)),
            f"{seconds[len(seconds) // 2]:.2f}",
            f"{seconds[-1]:.2f}",
            told,
            str(sum(bool(each.wrong) for each in rows)),
        )
    return found


def main(arguments: list[str]) -> int:
    """Return 0 where every promise was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    # Its pool tells of every server that a run takes away.
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)
    console = Console()
    verdicts = asyncio.run(campaign(chosen, console))
    console.print(table(verdicts))
    failed = [each for each in verdicts if each.wrong]
    commands = sum(len(each.states) for each in verdicts)
    console.print(
        f"{len(verdicts)} runs, {commands} commands, "
        f"{sum(each.crashed for each in verdicts)} crashes, {len(failed)} runs wrong"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
