"""`tickflow dlq` where ticks travel through Kafka: shown, played back into the topic, thrown away."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

import pytest

from shared.clock import SystemClock
from shared.streams import dead_letters
from shared.streams.dead_letters import DeadLetter
from shared.streams.ids import EntryId
from shared.streams.kafka_reader import KafkaTailReader
from shared.wire.topics import RAW_TICKS, dead
from tests.kafka.test_faults import PATIENCE_S
from tests.support.kafka_cluster import ROOT

pytestmark = pytest.mark.integration
STREAM = RAW_TICKS.name(1)
FIELDS = {b"h": b"no header", b"s": b"x" * 40}


class Operator:
    """Runs `tickflow dlq ...` on one Redis and one Kafka."""

    def __init__(self, server, kafka) -> None:
        url = server.url.reveal()
        self._environ = {
            "TICKFLOW_REDIS__TICKS_URL": url,
            "TICKFLOW_REDIS__ORDERS_URL": url,
            "TICKS_BACKEND": "kafka",
            "TICKFLOW_KAFKA__SERVERS": kafka.servers,
            "TICKFLOW_KAFKA__REPLICATION": "1",
        }

    async def dlq(self, *words: str) -> tuple[int, str]:
        """Return exit code and standard output."""
        told = {key: value for key, value in os.environ.items() if not key.startswith("TICKFLOW_")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "shared.ops", "dlq", *words),
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**told, **self._environ},
        )
        output, _ = await asyncio.wait_for(process.communicate(), PATIENCE_S)
        assert process.returncode is not None
        return process.returncode, output.decode()


async def put_letter(market) -> str:
    """Keep a letter as a worker does; return its number."""
    letter = DeadLetter(STREAM, EntryId(7, 1), "enrich", "9 bytes of header", 1, FIELDS)
    await dead_letters.put(market.redis, letter)
    ((number, _),) = await market.redis.xrevrange(dead(STREAM), count=1)
    return number.decode()


async def test_letter_is_listed_shown_played_back_into_its_partition_and_gone(
    server, market
) -> None:
    operator, number = Operator(server, market.kafka), await put_letter(market)
    _, listed = await operator.dlq("list", "--json")
    assert [json.loads(line)["letter_id"] for line in listed.splitlines()] == [number]
    shown = json.loads((await operator.dlq("show", STREAM, number, "--json"))[1])
    assert (shown["reason"], shown["fields"]["h"]) == ("9 bytes of header", "no header")
    assert (await operator.dlq("replay", STREAM, number, "--dry-run"))[0] == 0
    code, played = await operator.dlq("replay", STREAM, number, "--json")
    assert code == 0
    reader = KafkaTailReader(market.settings, {STREAM: "0"}, clock=SystemClock(), block_ms=500)
    found = []
    while not found:
        found = await reader.read()
    await reader.close()
    assert [(entry.stream, entry.fields) for entry in found] == [(STREAM, FIELDS)]
    assert str(found[0].id) == json.loads(played)["entry_id"]
    assert await market.redis.xlen(dead(STREAM)) == 0
    assert await market.redis.xlen(STREAM) == 0, "nobody would read it there"


async def test_letter_that_cannot_be_played_back_stays(server, market) -> None:
    operator, number = Operator(server, market.kafka), await put_letter(market)
    market.kafka.brokers[0].kill()
    assert (await operator.dlq("replay", STREAM, number))[0] != 0
    assert await market.redis.xlen(dead(STREAM)) == 1
    assert (await operator.dlq("purge", STREAM, number))[0] == 0
    assert await market.redis.xlen(dead(STREAM)) == 0
