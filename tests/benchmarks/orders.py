"""An executor alone, in this process, with the sandbox as its broker: what it can do, how fast another takes over.

Throughput lifts the limits that no settings file can lift. Clocks: from the first XADD to the last
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
from msgspec.structs import replace

import executor.pace
from executor.crash import CrashPoint
from executor.settings import BehaviourSettings, ExecutorSettings
from shared.wire.topics import COMMANDS
from tests.chaos.plan import RESTING, Crash
from tests.chaos.rig import Broker, Rig, begin, running_broker, running_rig
from tests.support.eventually import eventually

COMMANDS_MANY: Final = 500
QUEUED: Final = 500
HANDOVERS: Final = 3
WITHIN_S: Final = 120.0
LIFTED: Final = BehaviourSettings(
    orders_per_second_max=10**6,
    orders_per_minute_max=10**6,
    placements_per_day_max=10**6,
    runaway_orders_max=0,
    day_turnover_max=0,
    sends_max=32,
)


def results() -> list[dict[str, Any]]:
    """Return commands per second, the delay of a cancel, the time of a hand-over."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    return asyncio.run(_results())


async def _results() -> list[dict[str, Any]]:
    async with running_rig() as rig, running_broker(1, 0) as broker:
        await broker.ask("POST", "limits", {"enabled": False})
        rate = await _throughput(rig, broker)
        cancel_s = await _cancel_behind(rig, broker)
        handovers = sorted([await _handover(rig, broker) for _ in range(HANDOVERS)])
    return [
        _row(
            "commands_per_second",
            rate,
            "1/s",
            f"{COMMANDS_MANY} placements, limits lifted, fsync on",
        ),
        _row(
            "cancel_behind_queued_s",
            cancel_s,
            "s",
            f"{QUEUED} placements queued, limits as shipped",
        ),
        _row("handover_s", handovers[-1], "s", f"worst of {HANDOVERS}, seat_check_s as shipped"),
    ]


def _row(name: str, value: float, unit: str, context: str) -> dict[str, Any]:
    return {"name": f"orders.{name}", "value": value, "unit": unit, "context": context}


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


async def _throughput(rig: Rig, broker: Broker) -> float:
    # A window so wide would remember every one of its requests.
    executor.pace.SPREAD_MS, spread_ms = 0, executor.pace.SPREAD_MS
    settings = _settings(rig, broker, LIFTED)
    life = await begin(settings, None, 1)
    try:
        since = await _sequence(broker)
        stream = COMMANDS.name(settings.account.id)
        began_ns = time.time_ns()
        for start in range(0, COMMANDS_MANY, 100):
            pipeline = rig.redis.pipeline(transaction=False)
            for _ in range(min(100, COMMANDS_MANY - start)):
                pipeline.xadd(stream, {b"json": _place()})
            await pipeline.execute()

        async def all_there() -> list[int] | None:
            found = await _arrived(broker, since, "POST")
            return found if len(found) >= COMMANDS_MANY else None

        arrived = await eventually(all_there, within_s=WITHIN_S, every_s=1.0)
    finally:
        await life.end()
        executor.pace.SPREAD_MS = spread_ms
    return COMMANDS_MANY / ((arrived[-1] - began_ns) / 1e9)


async def _cancel_behind(rig: Rig, broker: Broker) -> float:
    settings = _settings(rig, broker, BehaviourSettings())
    life = await begin(settings, None, 1)
    try:
        stream = COMMANDS.name(settings.account.id)
        first = _place(RESTING - 1)
        await rig.redis.xadd(stream, {b"json": first})
        placed = msgspec.json.decode(first)["command_id"]
        await eventually(lambda: _has_order(rig, placed), within_s=WITHIN_S)
        for _ in range(QUEUED):
            await rig.redis.xadd(stream, {b"json": _place()})
        await asyncio.sleep(2.0)
        since = await _sequence(broker)
        cancel = {"kind": "cancel", "command_id": uuid.uuid4().hex, "target_command_id": placed}
        began_ns = time.time_ns()
        await rig.redis.xadd(stream, {b"json": msgspec.json.encode(cancel)})
        (arrived_ns,) = await eventually(
            lambda: _arrived(broker, since, "DELETE"), within_s=WITHIN_S, every_s=0.1
        )
    finally:
        await life.end()
    return (arrived_ns - began_ns) / 1e9


async def _has_order(rig: Rig, command_id: str) -> bool:
    async with rig.pool.connection() as connection:
        order_id = await connection.fetchval(
            "SELECT order_id FROM order_commands WHERE command_id = $1", command_id
        )
    return order_id is not None


async def _handover(rig: Rig, broker: Broker) -> float:
    """End one executor at the moment it would send; return when its spare holds the account."""
    settings = _settings(rig, broker, BehaviourSettings())
    owner = await begin(settings, Crash(CrashPoint.BEFORE_WIRE, 1), 1)
    await eventually(lambda: _held(rig, settings, fence=1), within_s=WITHIN_S)
    spare = await begin(settings, None, 2)
    try:
        await asyncio.sleep(2.0)
        await rig.redis.xadd(COMMANDS.name(settings.account.id), {b"json": _place()})
        await eventually(owner.task.done, within_s=WITHIN_S, every_s=0.001)
        ended_us = time.time_ns() // 1000
        held_us = await eventually(lambda: _held(rig, settings, fence=2), within_s=WITHIN_S)
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
