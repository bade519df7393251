"""An executor in this process, with the sandbox as its broker: its latency, what it can do, how fast another takes over.

One placement at a time is timed by stages: from the XADD to its reading, to the decision, through
the commit to the request at the broker. Throughput lifts the limits that no settings file can lift. Clocks: from the first XADD to the last
request at the broker; from the XADD of a cancel to its request; from the end of one executor to the
moment at which the next one holds the account, as PostgreSQL has it.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from typing import Any, Final

import msgspec
import structlog
import uvloop
from msgspec.structs import replace

import executor.broker.pace
from executor.crash import CrashPoint
from executor.settings import BehaviourSettings, ExecutorSettings
from shared.wire.topics import COMMANDS
from tests.benchmarks.load.processes import cpu_s
from tests.chaos.plan import RESTING, Crash
from tests.chaos.rig import Broker, Rig, begin, running_broker, running_rig
from tests.support.eventually import eventually

COMMANDS_MANY: Final = 1_000
QUEUED: Final = 100
HANDOVERS: Final = 3
#: Placements one at a time, and the pause between them: nothing else is on its way then.
ALONE: Final = 80
ALONE_EVERY_S: Final = 0.08
#: A stage that takes longer is given up: the run as a whole ends within six of these.
STAGE_S: Final = 60.0
LIFTED: Final = BehaviourSettings(
    orders_per_second_max=10**6,
    orders_per_minute_max=10**6,
    placements_per_day_max=10**6,
    runaway_orders_max=0,
    day_turnover_max=0,
    sends_max=32,
    # What nobody streams waits for Kite's quote, once in 30 s: that is no part of what is measured.
    last_price_wait_s=0,
)


def results() -> list[dict[str, Any]]:
    """Return commands per second, the delay of a cancel, the time of a hand-over."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    # The loop that workers run on.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_results())


async def _results() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    async with running_rig() as rig, running_broker(1, 0) as broker:
        await broker.ask("POST", "limits", {"enabled": False})
        for stage in (_alone, _throughput, _cancel_behind, _handovers):
            print(f"  orders: {stage.__name__.strip('_')} ...", flush=True)
            try:
                async with asyncio.timeout(STAGE_S):
                    found = await stage(rig, broker)
            except TimeoutError:
                print(f"  orders: given up after {STAGE_S:g} s", flush=True)
                continue
            for row in found:
                print(f"    {row['name']} {row['value']:.3g} {row['unit']}", flush=True)
            rows += found
    return rows


def _row(name: str, value: float, unit: str, context: str) -> dict[str, Any]:
    return {"name": f"orders.{name}", "value": value, "unit": unit, "context": context}


def _percentiles(name: str, spent_us: list[float], context: str) -> list[dict[str, Any]]:
    ordered = sorted(spent_us)
    return [
        _row(
            f"{name}_p{share}_ms",
            ordered[round(share / 100 * (len(ordered) - 1))] / 1e3,
            "ms",
            context,
        )
        for share in (50, 99)
    ]


async def _alone(rig: Rig, broker: Broker) -> list[dict[str, Any]]:
    """Measure the way of a placement that nothing else is beside, by its stages."""
    settings = _settings(rig, broker, LIFTED)
    life = await begin(settings, None, 1)
    try:
        await eventually(lambda: _held(rig, settings, fence=1), within_s=STAGE_S)
        since = await _sequence(broker)
        began_us: dict[str, float] = {}
        own_s = time.process_time()
        for _ in range(ALONE):
            body = _place()
            began_us[msgspec.json.decode(body)["command_id"]] = time.time_ns() / 1e3
            await rig.redis.xadd(COMMANDS.name(settings.account.id), {b"json": body})
            await asyncio.sleep(ALONE_EVERY_S)
        cpu_ms = (time.process_time() - own_s) / ALONE * 1e3
        arrived = await eventually(lambda: _all_there(broker, since, ALONE), every_s=0.2)
        rows = await _sent(rig, settings)
    finally:
        await life.end()
    rows = sorted(rows, key=lambda row: row["sending_us"])
    wire_us = {row["command_id"]: at / 1e3 for row, at in zip(rows, arrived, strict=True)}
    context = f"{ALONE} placements, one every {ALONE_EVERY_S:g} s, in process, fsync on"
    stages = {
        "alone_to_broker": [wire_us[each] - at for each, at in began_us.items()],
        "alone_read": [row["received_us"] - began_us[row["command_id"]] for row in rows],
        "alone_decided": [row["sending_us"] - row["received_us"] for row in rows],
        "alone_committed_and_sent": [
            wire_us[row["command_id"]] - row["sending_us"] for row in rows
        ],
    }
    found = [each for name, spent in stages.items() for each in _percentiles(name, spent, context)]
    return [*found, _row("alone_cpu_ms", cpu_ms, "ms", f"{context}; loop and harness included")]


async def _sent(rig: Rig, settings: ExecutorSettings) -> list[Any]:
    async with rig.pool.connection() as connection:
        return list(
            await connection.fetch(
                "SELECT command_id, received_us, sending_us FROM order_commands WHERE account = $1",
                settings.account.id,
            )
        )


async def _all_there(broker: Broker, since: int, count: int) -> list[int] | None:
    found = await _arrived(broker, since, "POST")
    return found if len(found) >= count else None


def _settings(rig: Rig, broker: Broker, behaviour: BehaviourSettings) -> ExecutorSettings:
    given = rig.settings(broker, broker.free.pop())
    return replace(given, executor=behaviour, postgres=replace(given.postgres, connections_max=8))


def _place(price: int = RESTING) -> bytes:
    return msgspec.json.encode(
        {
            "kind": "place",
            "command_id": uuid.uuid4().hex,
            "exchange": "NSE",
            "tradingsymbol": "INFY",
            "transaction_type": "BUY",
            "quantity": 1,
            "product": "CNC",
            "order_type": "LIMIT",
            "price": str(price),
        }
    )


async def _arrived(broker: Broker, since: int, method: str) -> list[int]:
    """Return when the order requests of a method reached the broker, in order (Unix ns)."""
    received = await broker.ask("GET", f"received?since={since}")
    return sorted(
        int(entry["time_ns"])
        for entry in received["entries"]
        if entry.get("method") == method and str(entry.get("path", "")).startswith("/orders/")
    )


async def _sequence(broker: Broker) -> int:
    return int((await broker.ask("GET", "state"))["received"]["sequence"])


async def _throughput(rig: Rig, broker: Broker) -> list[dict[str, Any]]:
    # A window so wide would remember every one of its requests.
    executor.broker.pace.SPREAD_MS, spread_ms = 0, executor.broker.pace.SPREAD_MS
    settings = _settings(rig, broker, LIFTED)
    life = await begin(settings, None, 1)
    try:
        await eventually(lambda: _held(rig, settings, fence=1), within_s=STAGE_S)
        since = await _sequence(broker)
        stream = COMMANDS.name(settings.account.id)
        before = await _spent_s(rig, broker)
        began_ns, own_s = time.time_ns(), time.process_time()
        for start in range(0, COMMANDS_MANY, 100):
            pipeline = rig.redis.pipeline(transaction=False)
            for _ in range(min(100, COMMANDS_MANY - start)):
                pipeline.xadd(stream, {b"json": _place()})
            await pipeline.execute()

        arrived = await eventually(
            lambda: _all_there(broker, since, COMMANDS_MANY), within_s=STAGE_S, every_s=0.5
        )
        own_ms = (time.process_time() - own_s) / COMMANDS_MANY * 1e3
        after = await _spent_s(rig, broker)
    finally:
        await life.end()
        executor.broker.pace.SPREAD_MS = spread_ms
    rate = COMMANDS_MANY / ((arrived[-1] - began_ns) / 1e9)
    context = f"{COMMANDS_MANY} placements, limits lifted, fsync on"
    return [
        _row("commands_per_second", rate, "1/s", context),
        _row("command_cpu_ms", own_ms, "ms", f"{context}; of the executor's process"),
        *(
            _row(
                f"command_{name}_cpu_ms",
                (after[name] - spent_s) / COMMANDS_MANY * 1e3,
                "ms",
                f"{context}; beside it on the same cores",
            )
            for name, spent_s in before.items()
        ),
    ]


async def _spent_s(rig: Rig, broker: Broker) -> dict[str, float]:
    """Return the CPU seconds that those have used who are not the executor."""
    found = await rig.redis.info("cpu")
    async with rig.pool.connection() as connection:
        rows = await connection.fetch("SELECT pid FROM pg_stat_activity")
    return {
        "broker": cpu_s(broker.info.pid),
        "redis": found["used_cpu_user"] + found["used_cpu_sys"],
        "postgres": sum(cpu_s(row["pid"]) for row in rows),
    }


async def _cancel_behind(rig: Rig, broker: Broker) -> list[dict[str, Any]]:
    settings = _settings(rig, broker, BehaviourSettings())
    life = await begin(settings, None, 1)
    try:
        stream = COMMANDS.name(settings.account.id)
        first = _place(RESTING - 1)
        await rig.redis.xadd(stream, {b"json": first})
        placed = msgspec.json.decode(first)["command_id"]
        await eventually(lambda: _has_order(rig, placed), within_s=STAGE_S)
        for _ in range(QUEUED):
            await rig.redis.xadd(stream, {b"json": _place()})
        await eventually(lambda: _claimed(rig, settings, QUEUED), within_s=STAGE_S)
        since = await _sequence(broker)
        cancel = {"kind": "cancel", "command_id": uuid.uuid4().hex, "target_command_id": placed}
        began_ns = time.time_ns()
        await rig.redis.xadd(stream, {b"json": msgspec.json.encode(cancel)})
        (arrived_ns,) = await eventually(
            lambda: _arrived(broker, since, "DELETE"), within_s=STAGE_S, every_s=0.05
        )
    finally:
        await life.end()
    spent_s = (arrived_ns - began_ns) / 1e9
    context = f"{QUEUED} placements queued, limits as shipped"
    return [_row("cancel_behind_queued_s", spent_s, "s", context)]


async def _claimed(rig: Rig, settings: ExecutorSettings, count: int) -> bool:
    return len(await _sent(rig, settings)) > count


async def _has_order(rig: Rig, command_id: str) -> bool:
    async with rig.pool.connection() as connection:
        order_id = await connection.fetchval(
            "SELECT order_id FROM order_commands WHERE command_id = $1", command_id
        )
    return order_id is not None


async def _handovers(rig: Rig, broker: Broker) -> list[dict[str, Any]]:
    spent = [await _handover(rig, broker) for _ in range(HANDOVERS)]
    context = f"worst of {HANDOVERS}, seat_check_s as shipped"
    return [_row("handover_s", max(spent), "s", context)]


async def _handover(rig: Rig, broker: Broker) -> float:
    """End one executor at the moment it would send; return when its spare holds the account."""
    settings = _settings(rig, broker, BehaviourSettings())
    owner = await begin(settings, Crash(CrashPoint.BEFORE_WIRE, 1), 1)
    await eventually(lambda: _held(rig, settings, fence=1), within_s=STAGE_S)
    spare = await begin(settings, None, 2)
    try:
        await asyncio.sleep(1.0)  # the spare has tried for the seat, and been told to wait
        await rig.redis.xadd(COMMANDS.name(settings.account.id), {b"json": _place()})
        await eventually(owner.task.done, within_s=STAGE_S, every_s=0.001)
        ended_us = time.time_ns() // 1000
        held_us = await eventually(lambda: _held(rig, settings, fence=2), within_s=STAGE_S)
    finally:
        await spare.end()
        await owner.end()
    return max(0.0, (held_us - ended_us) / 1e6)


async def _held(rig: Rig, settings: ExecutorSettings, *, fence: int) -> int | None:
    async with rig.pool.connection() as connection:
        held_us: int | None = await connection.fetchval(
            "SELECT held_since_us FROM order_accounts WHERE account = $1 AND fence >= $2",
            settings.account.id,
            fence,
        )
    return held_us
