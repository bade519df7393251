"""Live raw streams recorded, checked, played into another Redis: the same bytes come out."""

from __future__ import annotations

import asyncio
import json
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import Result

from shared.clock import SystemClock
from shared.streams import groups, leases, published
from shared.streams.client import Connection, call
from shared.streams.writer import Append, StreamWriter
from shared.wire.segments import iterate, segment
from shared.wire.tape_reader import Tape
from shared.wire.topics import RAW_TICKS
from tests.integration.ops.conftest import NOW_NS, WITHIN_S, Operator
from tests.support import kite_frames
from tests.support.eventually import eventually
from tests.support.option_chain import INFY, NIFTY
from tests.support.tapes import raw_entry

VERSION = 20261122
EVERY_NS = 5_000_000
ENTRIES = 40


def segments_of(shard: int, number: int) -> bytes:
    """Return two segments; the numbers of an entry are in their prices, their times 5 ms apart."""
    token = NIFTY if shard == 0 else INFY
    packets = [kite_frames.ltp(token, number * 100 + part) for part in range(3)]
    at_ns = NOW_NS + number * EVERY_NS
    return segment(at_ns, kite_frames.frame(packets)) + segment(at_ns + 1, kite_frames.frame([]))


async def write(writer: StreamWriter, numbers: range, shards: tuple[int, ...] = (0, 1)) -> None:
    for number in numbers:
        appends = []
        for shard in shards:
            entry = raw_entry(
                segments_of(shard, number), sequence=number, shard=shard, version=VERSION, packets=3
            )
            appends.append(Append(RAW_TICKS, shard, entry.fields))
        await writer.append(appends)


async def segments_in(redis: Connection, shard: int) -> bytes:
    rows = await call(redis, "reading all", "XRANGE", RAW_TICKS.name(shard), "-", "+")
    return b"".join(fields[b"s"] for _, fields in rows)


def all_segments(shard: int, numbers: range = range(ENTRIES)) -> bytes:
    return b"".join(segments_of(shard, number) for number in numbers)


async def recorded(operator: Operator, directory: Path, *words: str) -> dict[str, object]:
    """Record what is written live; return what the command says at its end."""
    async with operator.upstream() as upstream:
        await upstream.publish()
        command = ("record", "start", "--out", str(directory), "--json", "--keep-free-mib", "1")
        async with operator.running(*command, *words) as process:
            writer = StreamWriter(upstream.ticks, SystemClock())
            await eventually(lambda: _begun(writer, directory), within_s=WITHIN_S)
            await write(writer, range(ENTRIES))
            await eventually(lambda: _on_tape(directory), within_s=WITHIN_S)
            process.send_signal(signal.SIGTERM)
            stdout, stderr = await asyncio.wait_for(process.communicate(), WITHIN_S)
        assert process.returncode == 0, stderr.decode()
        said: dict[str, object] = json.loads(stdout)
        return said


async def _begun(writer: StreamWriter, directory: Path) -> bool:
    """Write until the recorder took something, as it begins with what comes after its start."""
    await write(writer, range(1))
    return bool(_tapes(directory))


def _tapes(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.tape"))


def _on_tape(directory: Path) -> bool:
    """Tell whether every tape, still being written, has the last entry."""
    for path in _tapes(directory):
        with path.open("rb") as file:
            tape = Tape(file)
            last = [block.payload for _, block in tape.blocks()][-1]
        assert last.endswith(segments_of(tape.header.shard, ENTRIES - 1))
    return True


def replayed(operator: Operator, directory: Path, url: str, *words: str) -> Result:
    return operator.run("replay", str(directory), "--to-redis", url, "--json", *words)


@pytest.fixture
def second_url(orders_redis) -> str:
    return orders_redis.url_for("ops").reveal()


def test_recorded_stream_played_into_another_redis_has_the_same_bytes(
    operator: Operator, second_url: str, tmp_path: Path
) -> None:
    said = asyncio.run(recorded(operator, tmp_path / "tapes"))
    assert (said["missed_entries"], said["unreadable_entries"]) == (0, 0)
    checked = operator.run("tapes", "verify", str(tmp_path / "tapes"), "--json")
    assert checked.exit_code == 0, checked.output
    facts = json.loads(checked.stdout)
    assert [each["shard"] for each in facts] == [0, 1]
    assert {each["instruments_version"] for each in facts} == {VERSION}
    result = replayed(operator, tmp_path / "tapes", second_url, "--speed", "max")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["packets"] == said["packets"]

    async def compare(upstream) -> None:
        for shard in (0, 1):
            played = await segments_in(upstream.orders, shard)
            assert played.endswith(all_segments(shard))
            assert (await segments_in(upstream.ticks, shard)).endswith(played)
        version, instruments = await published.get_instruments(upstream.orders)
        assert (version, len(instruments)) == (VERSION, 18)
        there = await published.get_shard_map(upstream.orders)
        assert there is not None
        assert there.shards == 2

    operator.seed(compare)


def test_replay_keeps_time_and_begins_where_it_is_told(
    operator: Operator, second_url: str, tmp_path: Path
) -> None:
    asyncio.run(recorded(operator, tmp_path / "tapes", "--shards", "0,1"))
    middle_us = (NOW_NS + 20 * EVERY_NS) // 1000
    moment = datetime.fromtimestamp(middle_us // 10**6, UTC).replace(microsecond=middle_us % 10**6)
    result = replayed(
        operator, tmp_path / "tapes", second_url, "--from", moment.isoformat(), "--speed", "2"
    )
    assert result.exit_code == 0, result.output

    async def compare(upstream) -> None:
        played = await segments_in(upstream.orders, 0)
        assert played == all_segments(0, range(20, ENTRIES))
        rows = await call(upstream.orders, "reading", "XRANGE", RAW_TICKS.name(0), "-", "+")
        first_ms, last_ms = (int(rows[at][0].split(b"-")[0]) for at in (0, -1))
        assert last_ms - first_ms >= 19 * EVERY_NS / 1e6 / 2 * 0.5

    operator.seed(compare)


def test_damaged_tape_is_played_up_to_the_damage_and_named(
    operator: Operator, second_url: str, tmp_path: Path
) -> None:
    asyncio.run(recorded(operator, tmp_path / "tapes", "--shards", "0"))
    (path,) = (tmp_path / "tapes").glob("*.tape")
    path.write_bytes(path.read_bytes()[:-30])
    checked = operator.run("tapes", "verify", str(path))
    assert checked.exit_code == 3
    assert f"{path}: byte " in checked.stdout
    result = operator.run("replay", str(path), "--to-redis", second_url, "--speed", "max")
    assert result.exit_code == 3
    assert "played up to there" in result.stderr

    async def compare(upstream) -> None:
        assert (await segments_in(upstream.orders, 0)).endswith(all_segments(0))

    operator.seed(compare)


@pytest.mark.parametrize("how", ["lease", "fresh"])
def test_replay_beside_a_live_ingest_is_refused_unless_forced(
    operator: Operator, tmp_path: Path, how: str
) -> None:
    asyncio.run(recorded(operator, tmp_path / "tapes"))

    async def prepare(upstream) -> None:
        await upstream.ticks.delete(RAW_TICKS.name(0), RAW_TICKS.name(1))
        if how == "fresh":
            await write(StreamWriter(upstream.ticks, SystemClock()), range(1))
        else:
            await leases.acquire(upstream.ticks, "ingest.SB0001", "me", 60, clock=SystemClock())

    operator.seed(prepare)
    words = ("replay", str(tmp_path / "tapes"), "--speed", "max")
    refused = operator.run(*words)
    assert refused.exit_code == 1
    assert "would mix with live ticks" in refused.stderr
    assert operator.run(*words, "--force").exit_code == 0


def test_replay_at_full_speed_waits_for_groups(
    operator: Operator, second_url: str, tmp_path: Path
) -> None:
    asyncio.run(recorded(operator, tmp_path / "tapes"))

    async def group(upstream) -> None:
        await groups.create(upstream.orders, RAW_TICKS.name(0), "enrich", "0")

    operator.seed(group)
    result = replayed(operator, tmp_path / "tapes", second_url, "--speed", "max")
    assert result.exit_code == 0, result.output
    # What a group may lag behind is far more than this tape.
    assert json.loads(result.stdout)["stalled"] == []


def test_segments_of_the_test_are_whole() -> None:
    assert len(list(iterate(all_segments(0)))) == 2 * ENTRIES
