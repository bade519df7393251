"""`python -m tests.soak --minutes 10 --seed 1`: ingest under random faults; invariants, a summary."""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from tests.support.eventually import eventually
from tests.support.ingest_rig import STEP_S, Rig, running_rig, untold

#: What may befall one socket, with the longest a fault is left standing, in seconds.
SOCKET_FAULTS: Final = {
    "ws_abort": 0.0,
    "ws_close": 0.0,
    "ws_overflow": 0.0,
    "ws_stop_reading": 8.0,
    "ws_silence": 8.0,
    "ws_heartbeats_only": 3.0,
    "ws_truncated_frame": 0.0,
    "ws_unknown_packet": 0.0,
    "ws_burst": 0.0,
    "ws_stale_timestamps": 0.0,
    "ws_text": 0.0,
}
QUIET: Final = "ws_heartbeats_only"
REFUSALS: Final = (400, 429, 502)
REDIS_AWAY_S: Final = (0.5, 2.0, 10.0, 60.0)
#: What every run begins with: Redis gone for so long, back within so long; dead sockets found.
FIRST_AWAY_S: Final = 60.0
RESUMED_S_MAX: Final = 1.0
FOUND_S_MAX: Final = 6.0
DEAD: Final = ("ws_stop_reading", "ws_silence")
#: How often, of ten faults, Redis goes, or the way back is barred.
REDIS_OF_TEN, REFUSAL_OF_TEN = 1, 2
PAUSE_S_MAX: Final = 6.0
SETTLE_S_MAX: Final = 45.0
MEMORY_MIB_MAX: Final = 128
#: Ticks of an instrument further apart than this must be told, unless the market stood still.
HOLE_S: Final = 8.0 * STEP_S
#: Ticks read so far are judged, then forgotten, so that a long run needs no more memory.
JUDGE_EVERY: Final = 10


@dataclass
class Outcome:
    """What was done, what was found wrong."""

    done: Counter[str] = field(default_factory=Counter)
    gaps: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    packets: int = 0
    memory_mib: float = 0.0


class Soak:
    """One run: strikes at random, waits until it is whole again, judges what was written."""

    def __init__(self, rig: Rig, chance: random.Random) -> None:
        self.outcome = Outcome()
        self._rig = rig
        self._chance = chance
        self._baseline_mib = rig.resident_mib()
        self._gaps_judged = 0
        #: When the transport was alive without ticks, which is no loss that it could tell.
        self._quiet_ns: list[tuple[int, int]] = []

    async def begin(self) -> None:
        """Do what is promised with a figure: dead sockets found, Redis gone for a minute."""
        for kind in DEAD:
            await self._find_dead(kind)
            await eventually(self._is_whole, within_s=SETTLE_S_MAX, every_s=0.1)
        await self._redis_away(FIRST_AWAY_S)
        await eventually(self._is_whole, within_s=SETTLE_S_MAX, every_s=0.1)

    async def _find_dead(self, kind: str) -> None:
        """Time how long a dead socket stays unnoticed, from the moment it died."""
        rig, victim = self._rig, min(await self._rig.sockets())
        before = await rig.figure("tickflow_ingest_reconnects_total")
        self.outcome.done[kind] += 1
        began_s = time.monotonic()
        await rig.tell("faults", kind=kind, connection=victim)

        async def is_found() -> bool:
            return await rig.figure("tickflow_ingest_reconnects_total") > before

        await eventually(is_found, within_s=SETTLE_S_MAX, every_s=0.05)
        took_s = time.monotonic() - began_s
        await rig.forget_faults()

        async def is_gone() -> bool:
            return victim not in await rig.sockets()

        await eventually(is_gone, within_s=SETTLE_S_MAX, every_s=0.1)
        self.outcome.figures.append(f"{kind}: found after {took_s:.1f} s")
        if took_s > FOUND_S_MAX:
            self.outcome.wrong.append(f"{kind}: found after {took_s:.1f} s only")

    async def strike(self) -> None:
        """Let one thing go wrong, then wait until every socket is there again."""
        roll = self._chance.randrange(10)
        if roll < REDIS_OF_TEN:
            await self._redis_away(self._chance.choice(REDIS_AWAY_S))
        else:
            if roll < REDIS_OF_TEN + REFUSAL_OF_TEN:
                status = self._chance.choice(REFUSALS)
                await self._rig.tell("faults", kind="reject_upgrade", status=status)
                self.outcome.done[f"reject_upgrade {status}"] += 1
            await self._hit_sockets()
        try:
            await eventually(self._is_whole, within_s=SETTLE_S_MAX, every_s=0.1)
        except AssertionError as error:
            self.outcome.wrong.append(f"not whole again: {error}")
        await asyncio.sleep(self._chance.random() * PAUSE_S_MAX)

    async def judge(self) -> None:
        """Hold the gaps against the ticks read since the last time; forget those."""
        rig, written, found = self._rig, self._rig.written, self.outcome
        await self._catch_up()
        missed = Counter(
            (from_ns, to_ns)
            for _, from_ns, to_ns in untold(written, HOLE_S)
            if not any(begun < to_ns and from_ns < ended for begun, ended in self._quiet_ns)
        )
        for (from_ns, to_ns), count in missed.items():
            found.wrong.append(f"{count} instruments: nothing told of {from_ns} to {to_ns}")
        found.packets += sum(map(len, written.times))
        written.times[:], written.tokens[:] = written.times[-1:], written.tokens[-1:]
        for gap in written.gaps[self._gaps_judged :]:
            found.gaps[gap.cause] += 1
            if gap.from_us > gap.to_us or not gap.instrument_tokens:
                found.wrong.append(f"gap that says nothing: {gap}")
        self._gaps_judged = len(written.gaps)
        for each in (await rig.ask("state"))["connections"]:
            if each["repeats"]:
                found.wrong.append(f"socket {each['id']}: {each['repeats']} subscribed twice")
        watched = list((await rig.ask("watched")).values())
        if sum(map(len, watched)) != len(set().union(*watched)):
            found.wrong.append("an instrument is on two sockets")
        found.memory_mib = max(found.memory_mib, rig.resident_mib() - self._baseline_mib)
        if found.memory_mib > MEMORY_MIB_MAX:
            found.wrong.append(f"memory grew by {found.memory_mib:.0f} MiB")

    async def _catch_up(self) -> None:
        """Wait until what was taken in, or told as lost, by now is written and read.

        The streams are in order, so it is once a whole later step of the market has been read.
        """
        step_ns = time.time_ns() + round(STEP_S * 1e9)
        written = self._rig.written
        try:
            await eventually(
                lambda: written.is_beyond(step_ns), within_s=SETTLE_S_MAX, every_s=0.05
            )
        except AssertionError:
            self.outcome.wrong.append(f"no tick of some shard was read for {SETTLE_S_MAX:g} s")

    async def _hit_sockets(self) -> None:
        """Strike one socket or two at once, each with something of its own."""
        sockets = sorted(await self._rig.sockets())
        for victim in self._chance.sample(sockets, self._chance.randint(1, min(2, len(sockets)))):
            kind = self._chance.choice(list(SOCKET_FAULTS))
            self.outcome.done[kind] += 1
            began_ns = time.time_ns()
            await self._rig.tell("faults", kind=kind, connection=victim)
            await asyncio.sleep(SOCKET_FAULTS[kind] or 2 * STEP_S)
            if kind == QUIET:
                await self._rig.forget_faults()
                self._quiet_ns.append((began_ns, time.time_ns()))
        await self._rig.forget_faults()

    async def _redis_away(self, away_s: float) -> None:
        self.outcome.done[f"Redis away {away_s:g} s"] += 1
        since = await self._rig.sequence()
        # What Redis held is gone with it: let it all be read first, as a consumer would have.
        await self.judge()
        memory_mib = self._rig.resident_mib()
        self._rig.server.stop()
        await asyncio.sleep(away_s)
        grown_mib = self._rig.resident_mib() - memory_mib
        written_ms = self._rig.written.newest_id_ms
        await self._rig.server.start()
        back_s = time.monotonic()
        if ended := await self._rig.events(since):
            self.outcome.wrong.append(f"sockets moved while Redis was away: {ended}")
        self._rig.written.times[:], self._rig.written.tokens[:] = [], []
        await eventually(
            lambda: self._rig.written.newest_id_ms > written_ms, within_s=SETTLE_S_MAX, every_s=0.01
        )
        resumed_s = time.monotonic() - back_s
        self.outcome.figures.append(
            f"Redis away {away_s:g} s: written again {resumed_s:.2f} s after its return, "
            f"memory {grown_mib:+.1f} MiB meanwhile"
        )
        if resumed_s > RESUMED_S_MAX:
            self.outcome.wrong.append(f"written again {resumed_s:.2f} s after Redis came back")

    async def _is_whole(self) -> bool:
        sockets = await self._rig.sockets()
        held = sum(each["instruments"] for each in sockets.values())
        return held == await self._rig.figure("tickflow_ingest_instruments_subscribed")


async def soak(minutes: float, seed: int, console: Console) -> Outcome:
    """Run it, with a bar."""
    columns = (
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with tempfile.TemporaryDirectory(prefix="tf-soak-") as name:
        async with running_rig(Path(name)) as rig:
            run, ends_s = Soak(rig, random.Random(seed)), time.monotonic() + minutes * 60
            with Progress(*columns, console=console) as progress:
                bar = progress.add_task("", total=minutes * 60)
                await run.begin()
                number = 0
                while (left_s := ends_s - time.monotonic()) > 0 and len(run.outcome.wrong) < 5:
                    await run.strike()
                    number += 1
                    if number % JUDGE_EVERY == 0:
                        await run.judge()
                    text = f"{number} faults, {len(run.outcome.wrong)} wrong"
                    progress.update(bar, completed=minutes * 60 - left_s, description=text)
            await run.judge()
            return run.outcome


def main(arguments: list[str]) -> int:
    """Return 0 where nothing was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args(arguments)
    console = Console()
    outcome = asyncio.run(soak(chosen.minutes, chosen.seed, console))
    done = ", ".join(f"{name} x{count}" for name, count in sorted(outcome.done.items()))
    told = ", ".join(f"{name} x{count}" for name, count in sorted(outcome.gaps.items()))
    console.print(f"seed {chosen.seed}: {sum(outcome.done.values())} faults: {done}")
    console.print(f"{outcome.packets:,} ticks checked; gaps: {told}")
    for figure in outcome.figures:
        console.print(figure)
    console.print(f"memory: {outcome.memory_mib:+.0f} MiB at most")
    for sentence in outcome.wrong:
        console.print(f"WRONG: {sentence}")
    console.print("soak failed" if outcome.wrong else "soak passed")
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
