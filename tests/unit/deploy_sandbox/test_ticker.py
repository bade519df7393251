"""What a socket is sent, when, and when it is refused."""

import asyncio
import json
import struct

import pytest
from aiohttp import WSMsgType, WSServerHandshakeError

from deploy.sandbox.subscriptions import LIMIT_TEXT
from tests.unit.deploy_sandbox.conftest import WAIT_S, Sandbox, receive_packets

INFY = 408065
NIFTY = 256265
ORDER = {
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "transaction_type": "BUY",
    "quantity": "1",
    "product": "CNC",
    "order_type": "LIMIT",
    "price": "1450",
}


def lengths(packets) -> dict[int, int]:
    return {token: length for token, length, _ in packets}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"access_token": "x" * 32}, 403),
        ({"api_key": "wrong"}, 403),
        ({"access_token": ""}, 400),
        ({"api_key": ""}, 400),
    ],
)
async def test_socket_without_a_valid_session_is_refused_at_the_handshake(
    sandbox: Sandbox, change, status: int
) -> None:
    with pytest.raises(WSServerHandshakeError) as caught:
        await sandbox.connect(**change)
    assert caught.value.status == status


async def test_socket_number_four_of_a_key_is_refused_with_429(sandbox: Sandbox) -> None:
    for _ in range(3):
        await sandbox.connect()
    with pytest.raises(WSServerHandshakeError) as caught:
        await sandbox.connect()
    assert caught.value.status == 429


async def test_socket_answers_pings(sandbox: Sandbox) -> None:
    query = {"api_key": sandbox.who.api_key, "access_token": sandbox.who.access_token.reveal()}
    socket = await sandbox.client.ws_connect("/", params=query, autoping=False)
    await socket.ping(b"there?")
    message = await socket.receive(timeout=WAIT_S)
    assert (message.type, bytes(message.data)) == (WSMsgType.PONG, b"there?")


async def test_socket_declines_compression(sandbox: Sandbox) -> None:
    query = {"api_key": sandbox.who.api_key, "access_token": sandbox.who.access_token.reveal()}
    socket = await sandbox.client.ws_connect("/", params=query, compress=15)
    assert not socket.compress


async def test_socket_ignores_query_fields_it_does_not_know(sandbox: Sandbox) -> None:
    socket = await sandbox.connect(uid="1795000000000")
    assert not socket.closed


async def test_socket_gets_a_quote_snapshot_on_subscribing_and_a_full_one_on_the_mode(
    sandbox: Sandbox,
) -> None:
    socket = await sandbox.connect()
    await socket.send_str(json.dumps({"a": "subscribe", "v": [INFY, NIFTY]}))
    assert lengths(await receive_packets(socket)) == {NIFTY: 28, INFY: 44}
    await socket.send_str(json.dumps({"a": "mode", "v": ["full", [INFY, NIFTY]]}))
    assert lengths(await receive_packets(socket)) == {NIFTY: 32, INFY: 184}
    await socket.send_str(json.dumps({"a": "mode", "v": ["ltp", [INFY]]}))
    assert lengths(await receive_packets(socket)) == {INFY: 8}


async def test_socket_frame_has_underlyings_before_futures_before_options(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "market", frozen=True)
    async with sandbox.client.get("/instruments/NFO") as response:
        rows = [line.split(",") for line in (await response.text()).splitlines()[1:]]
    tokens = [int(row[0]) for row in rows if row[3] == "NIFTY"]
    socket = await sandbox.connect()
    await socket.send_str(json.dumps({"a": "subscribe", "v": [*reversed(tokens), NIFTY]}))
    packets = await receive_packets(socket)
    assert packets[0][0] == NIFTY
    kinds = {int(row[0]): row[9] for row in rows}
    order = [kinds[token] for token, _, _ in packets[1:]]
    futures = order.count("FUT")
    assert futures == 3
    assert order[:3] == ["FUT"] * 3


async def test_socket_of_a_frozen_market_goes_on_with_one_timestamp(sandbox: Sandbox) -> None:
    pinned = (await sandbox.control("POST", "market", frozen=True))["exchange_timestamp"]
    socket = await sandbox.connect()
    await socket.send_str(json.dumps({"a": "subscribe", "v": [INFY]}))
    await socket.send_str(json.dumps({"a": "mode", "v": ["full", [INFY]]}))
    await receive_packets(socket)
    bodies = [(await receive_packets(socket))[0][2]]
    for _ in range(3):
        await sandbox.step(10)
        bodies.append((await receive_packets(socket))[0][2])
    assert len(set(bodies)) == 1
    assert struct.unpack_from(">I", bodies[0], 60)[0] == pinned


async def test_socket_stops_hearing_of_what_it_unsubscribed(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "market", frozen=True)
    socket = await sandbox.connect()
    await socket.send_str(json.dumps({"a": "subscribe", "v": [INFY, NIFTY]}))
    await receive_packets(socket)
    await socket.send_str(json.dumps({"a": "unsubscribe", "v": [INFY]}))
    await socket.send_str(json.dumps({"a": "subscribe", "v": [NIFTY]}))
    await receive_packets(socket)
    await sandbox.step()
    assert lengths(await receive_packets(socket)) == {NIFTY: 28}


async def test_socket_asking_for_more_than_three_thousand_gets_an_error_text_and_lives(
    sandbox: Sandbox,
) -> None:
    socket = await sandbox.connect()
    await socket.send_str(json.dumps({"a": "subscribe", "v": [NIFTY, *range(1000, 4000)]}))
    message = await socket.receive(timeout=WAIT_S)
    assert message.type is WSMsgType.TEXT
    assert json.loads(message.data) == {
        "type": "error",
        "data": "Maximum instrument subscription limit (3000) exceeded",
    }
    assert lengths(await receive_packets(socket)) == {NIFTY: 28}


async def test_socket_with_nothing_to_hear_gets_a_one_byte_heartbeat(sandbox: Sandbox) -> None:
    socket = await sandbox.connect()
    async with asyncio.TaskGroup() as group:
        beating = group.create_task(sandbox.ticker.beat(), name="heartbeats")
        sandbox.clock.advance(1.0)
        message = await socket.receive(timeout=WAIT_S)
        beating.cancel()
    assert message.data == b"\x00"


async def test_socket_gets_order_updates_as_text(sandbox: Sandbox) -> None:
    socket = await sandbox.connect()
    # The snapshot proves that the server counts this socket among the open ones.
    await socket.send_str(json.dumps({"a": "subscribe", "v": [NIFTY]}))
    await receive_packets(socket)
    status, answer = await sandbox.request("POST", "/orders/regular", data=ORDER)
    assert status == 200
    update = json.loads((await socket.receive(timeout=WAIT_S)).data)
    assert update["type"] == "order"
    assert update["data"]["order_id"] == answer["data"]["order_id"]
    assert update["data"]["user_id"] == "SB0001"


@pytest.mark.parametrize(("kind", "copies"), [("duplicate_updates", 2), ("drop_updates", 0)])
async def test_socket_under_a_fault_gets_order_updates_twice_or_never(
    sandbox: Sandbox, kind: str, copies: int
) -> None:
    socket = await sandbox.connect()
    await socket.send_str(json.dumps({"a": "subscribe", "v": [NIFTY]}))
    await receive_packets(socket)
    await sandbox.control("POST", "faults", kind=kind)
    await sandbox.request("POST", "/orders/regular", data=ORDER)
    await sandbox.control("POST", "faults", kind="ws_text", text='{"type":"message","data":"end"}')
    await sandbox.step()
    found = []
    while True:
        message = await socket.receive(timeout=WAIT_S)
        if message.type is not WSMsgType.TEXT:
            continue
        kind_found = json.loads(message.data)["type"]
        if kind_found == "message":
            break
        found.append(kind_found)
    assert found == ["order"] * copies


async def test_socket_under_silence_hears_nothing_until_the_fault_goes(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "market", frozen=True)
    socket = await sandbox.connect()
    await socket.send_str(json.dumps({"a": "subscribe", "v": [NIFTY]}))
    await receive_packets(socket)
    await sandbox.control("POST", "faults", kind="ws_silence")
    for _ in range(3):
        await sandbox.step()
    state = await sandbox.control("GET", "state")
    assert state["faults"][0]["applied"] == 1
    await sandbox.control("DELETE", "faults")
    await sandbox.control("POST", "faults", kind="ws_text")
    await sandbox.step()
    # The first thing heard again is the marker: the silent steps left nothing behind.
    assert (await socket.receive(timeout=WAIT_S)).type is WSMsgType.TEXT


async def test_socket_aborted_or_closed_by_a_fault_ends(sandbox: Sandbox) -> None:
    for kind, expected in (("ws_abort", WSMsgType.CLOSED), ("ws_close", WSMsgType.CLOSE)):
        socket = await sandbox.connect(uid=kind)
        await socket.send_str(json.dumps({"a": "subscribe", "v": [1]}))
        await sandbox.control("POST", "faults", kind=kind)
        async with asyncio.TaskGroup() as group:
            stepping = group.create_task(sandbox.step(), name="step")
            message = await socket.receive(timeout=WAIT_S)
            await stepping
        assert message.type in {expected, WSMsgType.CLOSED, WSMsgType.CLOSING, WSMsgType.ERROR}


async def test_socket_under_damage_receives_what_no_parser_expects(sandbox: Sandbox) -> None:
    socket = await sandbox.connect()
    await socket.send_str(json.dumps({"a": "subscribe", "v": [NIFTY]}))
    await receive_packets(socket)
    await sandbox.control("POST", "faults", kind="ws_truncated_frame")
    await sandbox.step()
    frame = (await socket.receive(timeout=WAIT_S)).data
    count, length = struct.unpack_from(">HH", frame)
    assert len(frame) < 2 + count * (2 + length)
    await receive_packets(socket)
    await sandbox.control("POST", "faults", kind="ws_unknown_packet")
    await sandbox.step()
    assert [length for _, length, _ in await receive_packets(socket)] == [13]


async def test_socket_misses_the_ticks_of_a_muted_instrument_only(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "market", frozen=True)
    await sandbox.control("POST", "faults", kind="ws_mute_token", token=INFY, count=None)
    socket = await sandbox.connect()
    await socket.send_str(json.dumps({"a": "subscribe", "v": [INFY, NIFTY]}))
    assert lengths(await receive_packets(socket)) == {NIFTY: 28}


async def test_socket_gets_a_burst_in_one_frame_with_old_timestamps(sandbox: Sandbox) -> None:
    pinned = (await sandbox.control("POST", "market", frozen=True))["exchange_timestamp"]
    async with sandbox.client.get("/instruments/NFO") as response:
        tokens = [int(line.split(",")[0]) for line in (await response.text()).splitlines()[1:202]]
    assert len(tokens) > 100
    socket = await sandbox.connect()
    await socket.send_str(json.dumps({"a": "subscribe", "v": tokens}))
    await socket.send_str(json.dumps({"a": "mode", "v": ["full", tokens]}))
    for _ in range(2 * -(-len(tokens) // 200)):
        await receive_packets(socket)
    await sandbox.control("POST", "faults", kind="ws_burst")
    await sandbox.control("POST", "faults", kind="ws_stale_timestamps", seconds=90)
    await sandbox.step()
    packets = await receive_packets(socket)
    assert len(packets) == len(tokens)
    assert {struct.unpack_from(">I", body, 60)[0] for _, _, body in packets} == {pinned - 90}


async def test_socket_gets_a_delayed_order_update_only_later(sandbox: Sandbox) -> None:
    socket = await sandbox.connect()
    await socket.send_str(json.dumps({"a": "subscribe", "v": [1, NIFTY]}))
    await receive_packets(socket)
    await sandbox.control("POST", "faults", kind="delay_updates", seconds=5)
    await sandbox.request("POST", "/orders/regular", data=ORDER)
    await sandbox.control("POST", "faults", kind="ws_text")
    texts = []
    for _ in range(7):
        await sandbox.step()
    while len(texts) < 2:
        message = await socket.receive(timeout=WAIT_S)
        if message.type is WSMsgType.TEXT:
            texts.append(json.loads(message.data)["type"])
    assert texts == ["message", "order"]


async def test_socket_refused_by_a_fault_shows_its_status(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "faults", kind="reject_upgrade", status=429)
    with pytest.raises(WSServerHandshakeError) as caught:
        await sandbox.connect()
    assert caught.value.status == 429
    await sandbox.connect()


async def test_socket_outlives_its_token_but_its_successor_does_not(sandbox: Sandbox) -> None:
    socket = await sandbox.connect()
    await socket.send_str(json.dumps({"a": "subscribe", "v": [NIFTY]}))
    await receive_packets(socket)
    await sandbox.control("POST", "faults", kind="token_death")
    await socket.send_str(json.dumps({"a": "mode", "v": ["full", [NIFTY]]}))
    assert lengths(await receive_packets(socket)) == {NIFTY: 32}
    with pytest.raises(WSServerHandshakeError) as caught:
        await sandbox.connect()
    assert caught.value.status == 403


@pytest.mark.slow
async def test_socket_that_is_not_read_is_closed_rather_than_buffered_for(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "market", frozen=True)
    async with sandbox.client.get("/instruments") as response:
        tokens = [int(line.split(",")[0]) for line in (await response.text()).splitlines()[1:]]
    socket = await sandbox.connect()
    await socket.send_str(json.dumps({"a": "subscribe", "v": tokens}))
    await socket.send_str(json.dumps({"a": "mode", "v": ["full", tokens]}))
    await receive_packets(socket)
    transport = socket._response.connection.transport
    transport.pause_reading()
    for _ in range(2000):
        await sandbox.step(0.25)
        if sandbox.ticker.slow_readers_closed:
            break
        # One turn of the loop, so that the server's sockets notice what became of them.
        await asyncio.sleep(0)
    assert sandbox.ticker.slow_readers_closed == 1
    transport.abort()


async def test_socket_cut_as_a_slow_reader_by_a_fault_is_counted_as_one(sandbox: Sandbox) -> None:
    socket = await sandbox.connect()
    await sandbox.control("POST", "faults", kind="ws_overflow")
    await sandbox.step()
    assert (await socket.receive(timeout=WAIT_S)).type in {
        WSMsgType.CLOSED,
        WSMsgType.ERROR,
        WSMsgType.CLOSE,
    }
    assert (await sandbox.control("GET", "state"))["slow_readers_closed"] == 1


async def test_account_with_limits_of_its_own_is_held_to_them(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "limits", account="", sockets_max=1, instruments_max=1)
    socket = await sandbox.connect()
    with pytest.raises(WSServerHandshakeError) as caught:
        await sandbox.connect()
    assert caught.value.status == 429
    await socket.send_str(json.dumps({"a": "subscribe", "v": [INFY, NIFTY]}))
    said = json.loads((await socket.receive(timeout=WAIT_S)).data)
    assert said == {"type": "error", "data": LIMIT_TEXT.format(1)}
    assert list((await sandbox.control("GET", "watched")).values()) == [[INFY]]


async def test_session_told_to_end_later_lives_until_then(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "faults", kind="token_death", seconds=5)
    await sandbox.connect()
    await sandbox.step(6)
    with pytest.raises(WSServerHandshakeError) as caught:
        await sandbox.connect()
    assert caught.value.status == 403


async def test_state_counts_instruments_subscribed_to_twice(sandbox: Sandbox) -> None:
    socket = await sandbox.connect()
    for _ in range(2):
        await socket.send_str(json.dumps({"a": "subscribe", "v": [INFY]}))
        await receive_packets(socket)
    (seen,) = (await sandbox.control("GET", "state"))["connections"]
    assert seen["repeats"] == 1
