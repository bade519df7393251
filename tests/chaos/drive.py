"""One run from its first command to the judgement."""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace
from redis.exceptions import RedisError

from shared.errors import LeaseLost, PipelineError, StoreError, StreamError
from shared.secret import Secret
from shared.store.pool import Pool
from shared.wire.codec import JSON_FIELD, encode
from shared.wire.orders import BrokerUpdate, OrderEvent, State
from shared.wire.topics import COMMANDS, EVENTS, UPDATES
from tests.chaos.judge import judge, settled
from tests.chaos.plan import Crash, Scenario
from tests.chaos.rig import Broker, Life, Rig, begin, log_in
from tests.support.sandbox import SandboxAccount

#: How long one life may take to crash; one that does not is ended as by a signal.
CRASH_S: Final = 4.0
#: How long the last life may take to bring every command to its end.
SETTLE_S: Final = 40.0
EVERY_S: Final = 0.03
AWAY_S: Final = 0.4
#: How soon what needs a server that is away is tried again.
AGAIN_S: Final = 0.1
#: Places told of an error that ended a run.
FRAMES_TOLD: Final = 6


@dataclass
class Verdict:
    """What came of a run."""

    scenario: Scenario
    wrong: list[str]
    seconds: float = 0.0
    lives: int = 0
    crashed: int = 0
    states: Mapping[str, State] = field(default_factory=dict)


class Run:
    """One scenario on one account of its own."""

    def __init__(self, rig: Rig, broker: Broker, account: SandboxAccount, what: Scenario) -> None:
        self._rig = rig
        self._broker = broker
        self._account = account
        self._what = what
        self._settings = rig.settings(broker, account)
        self._name = self._settings.account.id
        self._chance = random.Random(what.seed)
        self._kinds = {each["command_id"]: each["kind"] for each in what.commands}
        self._verdict = Verdict(what, [])

    async def __call__(self) -> Verdict:
        began_s = time.monotonic()
        since = (await self._broker.ask("GET", "state"))["received"]["sequence"]
        await self._write(self._what.commands[: self._what.early])
        for wish in self._what.wishes:
            await self._broker.ask("POST", "faults", {"account": self._account.id, **wish})
        is_written = False
        lives: list[Crash | None] = list(self._what.crashes)
        if self._what.fault == "token death" and not lives:
            lives.append(None)  # it has the dead token to its end
        for crash in lives:
            await self._live(crash, write=not is_written, within_s=CRASH_S)
            is_written = True
        await self._live(None, write=not is_written, within_s=SETTLE_S)
        await self._judge(since)
        self._verdict.seconds = time.monotonic() - began_s
        return self._verdict

    async def _live(self, crash: Crash | None, *, write: bool, within_s: float) -> None:
        """Let one executor live until it crashes, or until everything has come to its end."""
        self._verdict.lives += 1
        lives = [await self._begin(crash)]
        if self._what.fault == "two executors":
            lives.append(await self._begin(None))
        over = asyncio.Event()
        async with asyncio.TaskGroup() as beside:
            fault = beside.create_task(self._world(over), name="fault")
            try:
                if write:
                    await self._write(self._what.commands[self._what.early :])
                await self._until_over(lives[0], within_s=within_s)
                if self._what.fault not in ("updates doubled and shuffled", "two executors"):
                    await fault
                    await self._until_over(lives[0], within_s=within_s)
            finally:
                # Not cancelled: redis-py has been seen to go on as if nothing had been said.
                over.set()
                for life in lives:
                    await life.end()
        self._look_at(lives)

    async def _begin(self, crash: Crash | None) -> Life:
        """Start an executor; one that finds a server away ends at once and is started again."""
        ends_s = time.monotonic() + SETTLE_S
        while True:
            try:
                return await begin(self._settings, crash, self._what.seed)
            except (StoreError, StreamError):
                if time.monotonic() >= ends_s:
                    raise
                await asyncio.sleep(AGAIN_S)

    def _look_at(self, lives: list[Life]) -> None:
        for life in lives:
            self._verdict.crashed += life.has_crashed()
            for error in life.ended:
                causes = list(_leaves(error))
                if life.has_crashed() or all(isinstance(each, LeaseLost) for each in causes):
                    continue  # a dead process; one that was overtaken ends to be started anew
                self._verdict.wrong.append(f"an executor ended with {causes!r}")

    async def _until_over(self, life: Life, *, within_s: float) -> None:
        ends_s = time.monotonic() + within_s
        while time.monotonic() < ends_s and not life.task.done():
            try:
                if not settled(self._kinds, await self.states()) and await self._is_told():
                    return
            except StoreError:
                pass  # the run took PostgreSQL away
            await asyncio.sleep(EVERY_S)

    async def _write(self, commands: tuple[dict[str, Any], ...]) -> None:
        for command in commands:
            await self._put(COMMANDS.name(self._name), msgspec.json.encode(command))
            if self._chance.random() < 0.3:
                await asyncio.sleep(self._chance.random() * 0.1)

    async def _put(self, stream: str, body: bytes) -> None:
        """Write an entry, again where Redis was away, as whoever sends commands has to."""
        ends_s = time.monotonic() + SETTLE_S
        while True:
            try:
                await self._rig.redis.xadd(stream, {b"json": body})
            except (RedisError, OSError):
                if time.monotonic() >= ends_s:
                    raise
                await asyncio.sleep(AGAIN_S)
            else:
                return

    async def _world(self, over: asyncio.Event) -> None:
        """Be the fault, where it is not the broker that misbehaves."""
        if self._what.fault == "token death":
            await self._end_session()
        elif self._what.fault == "updates doubled and shuffled":
            await self._babble(over)
        elif self._what.is_exclusive and self._verdict.lives == 1:
            await asyncio.sleep(self._chance.random() * 0.3)
            name = "orders" if self._what.fault == "Redis restarted" else "postgres"
            await self._rig.restart(name, AWAY_S)

    async def _end_session(self) -> None:
        """Let the day's token die in mid-flight; the next life has the one of a new login."""
        if self._verdict.lives > 1:
            return
        await asyncio.sleep(self._chance.random() * 0.3)
        await self._broker.ask(
            "POST", "faults", {"kind": "token_death", "account": self._account.id}
        )
        self._account = await log_in(self._broker, self._account)
        token = Secret(self._account.access_token)
        account = replace(self._settings.account, access_token=token)
        self._settings = replace(self._settings, account=account)

    async def _babble(self, over: asyncio.Event) -> None:
        """Repeat what the broker said of its orders, old and new, in any order."""
        heard: list[bytes] = []
        while not over.is_set():
            book = await self._broker.ask("GET", f"orders?account={self._account.id}")
            heard += [msgspec.json.encode(row) for row in book]
            for row in self._chance.sample(heard, min(len(heard), 6)):
                update = BrokerUpdate(
                    source=self._chance.choice(("socket", "postback")),
                    received_at_us=time.time_ns() // 1000 - self._chance.randrange(300_000),
                    row=msgspec.Raw(row),
                )
                await self._put(UPDATES.name(self._name), encode(update)[JSON_FIELD])
            await asyncio.sleep(0.05)

    async def _judge(self, since: int) -> None:
        states = self._verdict.states = await self.states()
        entries = await self._rig.redis.xrange(EVENTS.name(self._name))
        received = await self._broker.ask("GET", f"received?since={since}")
        self._verdict.wrong += judge(
            self._what,
            self._name,
            states=states,
            book=await self._broker.ask("GET", f"orders?account={self._account.id}"),
            received=[
                entry for entry in received["entries"] if entry.get("account") == self._account.id
            ],
            events=[msgspec.json.decode(each[b"json"], type=OrderEvent) for _, each in entries],
            stored=await stored_events(self._rig.pool, self._name),
        )
        await self._rig.redis.delete(EVENTS.name(self._name), COMMANDS.name(self._name))

    async def _is_told(self) -> bool:
        """Tell whether every committed event has been published; the next life would do it."""
        async with self._rig.pool.connection() as connection:
            waiting = await connection.fetchval(
                "SELECT count(*) FROM order_events WHERE account = $1 AND NOT is_published",
                self._name,
            )
        return waiting == 0

    async def states(self) -> dict[str, State]:
        async with self._rig.pool.connection() as connection:
            rows = await connection.fetch(
                "SELECT command_id, state FROM order_commands WHERE account = $1", self._name
            )
        return {row["command_id"]: State(row["state"]) for row in rows}


async def stored_events(pool: Pool, account: str) -> list[bytes]:
    """Return the payloads of the outbox in order; its numbers have no holes."""
    async with pool.connection() as connection:
        rows = await connection.fetch(
            "SELECT payload FROM order_events WHERE account = $1 ORDER BY sequence", account
        )
    return [bytes(row["payload"]) for row in rows]


async def run(rig: Rig, broker: Broker, what: Scenario) -> Verdict:
    """Do one run; what goes wrong around it counts as wrong."""
    try:
        return await Run(rig, broker, broker.free.pop(), what)()
    except (PipelineError, RedisError, OSError, ExceptionGroup, AssertionError) as error:
        return Verdict(what, [f"the run itself failed: {each}" for each in told(error)])


def told(error: BaseException) -> list[str]:
    """Return each cause with the places it came by, innermost last."""
    found = []
    for each in _leaves(error):
        frames = traceback.extract_tb(each.__traceback__)[-FRAMES_TOLD:]
        places = " > ".join(f"{Path(at.filename).name}:{at.lineno} {at.name}" for at in frames)
        found.append(f"{each!r} at {places}")
    return found


def _leaves(error: BaseException) -> Any:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error
