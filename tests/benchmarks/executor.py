"""From a command in the stream to its request at the broker, through the whole pipeline.

Clock: begins before the XADD, ends when the sandbox has the request; both on this machine. The
journal is committed twice in between, with synchronous_commit and fsync on.
"""

from __future__ import annotations

import json
import statistics
import time
import urllib.request
import uuid
from typing import Any

import redis

from tests.support.pipeline import RunningPipeline, running_pipeline

COMMANDS = 60
#: Under the seven placements a second that the limits leave beside the cancels' reserve.
EVERY_S = 0.2
SETTLE_S = 3.0
#: A pipeline that has just become ready is busy with its beginnings on every core.
QUIET_S = 6.0


def results() -> list[dict[str, Any]]:
    """Return the time a command takes to the broker, in milliseconds."""
    with running_pipeline() as pipeline:
        time.sleep(QUIET_S)
        sent = send(pipeline)
        time.sleep(SETTLE_S)
        spent_ms = sorted(
            (arrived_ns - began_ns) / 1e6
            for began_ns, arrived_ns in zip(sent, arrived(pipeline), strict=True)
        )
    context = f"{COMMANDS} placements, {1 / EVERY_S:.0f} a second, ticks flowing, fsync on"
    p50, p99 = statistics.median(spent_ms), spent_ms[round(0.99 * (len(spent_ms) - 1))]
    return [
        {
            "name": "executor.command_to_broker_p50_ms",
            "value": p50,
            "unit": "ms",
            "context": context,
        },
        {
            "name": "executor.command_to_broker_p99_ms",
            "value": p99,
            "unit": "ms",
            "context": context,
        },
    ]


def send(pipeline: RunningPipeline) -> list[int]:
    """Write the commands, evenly spread; return when each began (Unix ns)."""
    server = redis.Redis.from_url(pipeline.environment["TICKFLOW_REDIS__ORDERS_URL"])
    stream = f"orders.commands.v1.{pipeline.environment['TICKFLOW_ACCOUNT__ID']}"
    with urllib.request.urlopen(f"{pipeline.control_url}/state", timeout=10) as answer:
        price = round(json.load(answer)["spots"]["INFY"] * 0.99)
    began = []
    with server:
        for _ in range(COMMANDS):
            body = json.dumps(command(price))
            began.append(time.time_ns())
            server.xadd(stream, {"json": body})
            time.sleep(EVERY_S)
    return began


def command(price: int) -> dict[str, Any]:
    """Return a placement that rests just below the market."""
    return {
        "kind": "place",
        "command_id": str(uuid.uuid4()),
        "strategy_id": "bench",
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "BUY",
        "quantity": 1,
        "product": "MIS",
        "order_type": "LIMIT",
        "price": str(price),
    }


def arrived(pipeline: RunningPipeline) -> list[int]:
    """Return when the sandbox had each of the last placements (Unix ns), in order."""
    with urllib.request.urlopen(f"{pipeline.control_url}/received?since=0", timeout=10) as answer:
        received = json.load(answer)
    rows = received["entries"] if isinstance(received, dict) else received
    placed = [
        int(row["time_ns"])
        for row in rows
        if row.get("method") == "POST" and str(row.get("path", "")).startswith("/orders/")
    ]
    return sorted(placed)[-COMMANDS:]
