"""Everything that goes wrong at Kite, done to an ingest process under load."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from tests.support.eventually import eventually
from tests.support.ingest_rig import OPTIONS, STEP_S, Rig, bounds, running_rig, untold

pytestmark = pytest.mark.e2e
#: A dead socket is found within this; what follows is the first, jittered pause and a handshake.
FOUND_WITHIN_S = 6.0
MARKET_SILENT = ("tickflow_ingest_reconnects_total", 'cause="market_silent"')
#: A socket that beats without ticks while its market is open.
STILL_WITHIN_S = OPTIONS["market_silence_s"] + 1.0
RECONNECT_S = 1.0
MEMORY_MIB_MAX = 96
#: Shorter than what a dead socket lasts, longer than a step that comes late on a busy machine.
HOLE_S = 4.0


async def struck(rig: Rig, connection: int, since: int) -> int:
    """Return the number of the connection that took another's place; nothing else may move."""
    await eventually(lambda: _is_replaced(rig, connection), within_s=20)
    moved = {
        each["connection"] for each in await rig.events(since) if each["event"] == "disconnect"
    }
    assert moved <= {connection}
    (number,) = [
        each["connection"] for each in await rig.events(since) if each["event"] == "connect" and each["status"] == 101
    ]  # fmt: skip
    return number


async def _is_replaced(rig: Rig, connection: int) -> bool:
    open_now = await rig.sockets()
    return len(open_now.keys() - {connection}) >= 2


async def told_gap(rig: Rig, count: int):
    """Return the newest gap once there are `count`."""
    await eventually(lambda: len(rig.written.gaps) >= count, within_s=10)
    return rig.written.gaps[count - 1]


async def strike(rig: Rig, kind: str, *, cause: str, **fields) -> float:
    """Strike one socket; check that it alone came back, and its gap; return the gap's seconds."""
    before, since = len(rig.written.gaps), await rig.sequence()
    sockets = await rig.sockets()
    victim, other = sorted(sockets)[:2]
    held = set((await rig.ask("watched"))[str(victim)])
    await rig.tell("faults", kind=kind, connection=victim, **fields)
    await struck(rig, victim, since)
    await rig.forget_faults()
    gap = await told_gap(rig, before + 1)
    assert gap.cause == cause, gap.cause
    assert set(gap.instrument_tokens) == held
    assert other in await rig.sockets()
    await eventually(lambda: victim_gone(rig, victim))
    return (gap.to_us - gap.from_us) / 1e6


async def victim_gone(rig: Rig, victim: int) -> bool:
    return victim not in {each["id"] for each in (await rig.ask("state"))["connections"]}


async def dead_sockets(rig: Rig) -> None:
    for kind in ("ws_stop_reading", "ws_silence"):
        lasted_s = await strike(rig, kind, cause="silent")
        assert lasted_s <= FOUND_WITHIN_S + RECONNECT_S, (kind, lasted_s)


async def still_sockets(rig: Rig) -> None:
    """Let a socket beat without a tick while its market is open: only ticks can tell that."""
    since = await rig.figure(*MARKET_SILENT)
    lasted_s = await strike(rig, "ws_heartbeats_only", cause="silent")
    assert OPTIONS["market_silence_s"] <= lasted_s <= STILL_WITHIN_S + RECONNECT_S, lasted_s
    now = await rig.figure(*MARKET_SILENT)
    assert now == since + 1


async def ended_sockets(rig: Rig) -> None:
    for kind in ("ws_abort", "ws_close", "ws_overflow"):
        lasted_s = await strike(rig, kind, cause="disconnected")
        assert lasted_s <= 4.0, (kind, lasted_s)


async def refusals(rig: Rig) -> None:
    """Let the way back be barred: once by a bad gateway, once by a malformed answer."""
    for status in (502, 400):
        await rig.tell("faults", kind="reject_upgrade", status=status)
        since = await rig.sequence()
        await strike(rig, "ws_abort", cause="disconnected")
        seen = [each["status"] for each in await rig.events(since) if each["event"] == "connect"]
        assert seen == [status, 101]


async def damage(rig: Rig) -> None:
    """Send what no parser expects: no connection is lost over it; a gap is told where one is."""
    before, since = len(rig.written.gaps), await rig.sequence()
    victim = min(await rig.sockets())
    held = set((await rig.ask("watched"))[str(victim)])
    for kind in ("ws_unknown_packet", "ws_burst", "ws_stale_timestamps", "ws_text"):
        await rig.tell("faults", kind=kind, connection=victim)
    for text in ('{"type":"error","data":"no"}', "[]", "not JSON"):
        await rig.tell("faults", kind="ws_text", connection=victim, text=text)
    await rig.tell("faults", kind="ws_mute_token", token=min(held), count=None)
    await rig.tell("faults", kind="ws_truncated_frame", connection=victim)
    gap = await told_gap(rig, before + 1)
    assert (gap.cause, set(gap.instrument_tokens)) == ("damaged_frame", held)
    await rig.forget_faults()
    assert [each for each in await rig.events(since) if each["event"] != "message"] == []


async def order_updates(rig: Rig) -> None:
    """Say by a hint for whom order updates may have been lost, once per dead socket."""
    dead = [gap for gap in rig.written.gaps if gap.cause in {"silent", "disconnected"}]
    hints = [hint for hint in rig.written.hints if hint.kind == "order_updates_missed"]
    assert [(hint.subject, hint.at_us) for hint in hints] == [
        (gap.account, gap.to_us) for gap in dead
    ]


async def strangers(rig: Rig) -> None:
    """Let somebody else use up the key's connections: ours stay."""
    since, ours = await rig.sequence(), set(await rig.sockets())
    async with aiohttp.ClientSession() as client, client.ws_connect(rig.sandbox.socket_url()):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await client.ws_connect(rig.sandbox.socket_url())
        assert caught.value.status == 429
    assert set(await rig.sockets()) == ours
    ended = [each for each in await rig.events(since) if each["event"] == "disconnect"]
    assert not {each["connection"] for each in ended} & ours


async def redis_away(rig: Rig, seconds: float) -> None:
    """Take Redis away under load, for longer than the buffers last."""
    before, since = len(rig.written.gaps), await rig.sequence()
    left_out = await rig.figure("tickflow_ingest_left_out_total")
    rig.server.stop()
    await asyncio.sleep(seconds)
    written = rig.written.newest_id_ms
    await rig.server.start()
    back_ms = time.time_ns() // 1_000_000
    await eventually(lambda: rig.written.newest_id_ms > written, within_s=10)
    first_ms = await eventually(lambda: rig.written.newest_id_ms)
    assert first_ms - back_ms < 1_000
    gap = await told_gap(rig, before + 1)
    dropped = await rig.figure("tickflow_ingest_left_out_total") - left_out
    assert (gap.cause, gap.packets_dropped) == ("stream_away", dropped)
    assert dropped > 0
    assert await rig.events(since) == []


async def token_dies(rig: Rig) -> None:
    """End the session between two connections: open sockets live on, the next one is refused."""
    since = await rig.sequence()
    await rig.tell("faults", kind="token_death")
    victim, other = sorted(await rig.sockets())[:2]
    await rig.tell("faults", kind="ws_abort", connection=victim)
    await eventually(lambda: _is_refused(rig, since), within_s=10)
    assert set(await rig.sockets()) == {other}


async def _is_refused(rig: Rig, since: int) -> bool:
    return [each["status"] for each in await rig.events(since) if each["event"] == "connect"] == [
        403
    ]


async def read_up(rig: Rig) -> None:
    """Wait until what came after the last gap has been written, and read."""
    due_us = max(gap.to_us for gap in rig.written.gaps) + round(2 * STEP_S * 1e6)
    await eventually(lambda: int(rig.written.times[-1].max()) // 1000 > due_us, within_s=10)


async def check_whole(rig: Rig) -> None:
    """Hold every gap against the ticks themselves, every hole against the gaps."""
    for each in (await rig.ask("state"))["connections"]:
        assert each["repeats"] == 0
    watched = list((await rig.ask("watched")).values())
    assert sum(map(len, watched)) == len(set().union(*watched))
    for gap in rig.written.gaps:
        if gap.cause in {"silent", "disconnected", "damaged_frame"}:
            last_us, within, first_us = bounds(rig.written, gap)
            assert (last_us, within) == (gap.from_us, 0), gap.cause
            # A frame with only a packet that nobody knows ends a gap as well: it is one of ours.
            assert first_us == gap.to_us or gap.cause == "damaged_frame", gap.cause
    assert untold(rig.written, HOLE_S) == []


async def test_ingest_survives_every_fault_of_the_broker_and_tells_exactly_what_it_missed(
    server_directory, tmp_path_factory
) -> None:
    directory = server_directory / tmp_path_factory.mktemp("f").name
    directory.mkdir()
    async with running_rig(directory) as rig:
        await eventually(lambda: len(rig.written.times) > 20, within_s=10)
        memory_mib = rig.resident_mib()
        await dead_sockets(rig)
        await still_sockets(rig)
        await ended_sockets(rig)
        await refusals(rig)
        await damage(rig)
        await order_updates(rig)
        await strangers(rig)
        await read_up(rig)
        await check_whole(rig)
        await redis_away(rig, 5.0)
        assert rig.resident_mib() - memory_mib < MEMORY_MIB_MAX
        await token_dies(rig)
