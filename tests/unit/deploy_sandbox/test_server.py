"""HTTP as a whole: envelopes, limits, control, the process itself."""

import asyncio
import json
import math
import socket
import sys
from datetime import datetime

import pytest

from deploy.sandbox.expiry_calendar import IST
from deploy.sandbox.smile import SECONDS_PER_YEAR
from tests.support.sandbox import ROOT, running_sandbox
from tests.unit.deploy_sandbox.conftest import Sandbox

ORDER = {
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "transaction_type": "BUY",
    "quantity": "1",
    "product": "CNC",
    "order_type": "LIMIT",
    "price": "1450",
}


async def test_answers_are_json_in_the_brokers_envelope(sandbox: Sandbox) -> None:
    async with sandbox.client.get("/user/profile") as response:
        assert response.headers["Content-Type"] == "application/json"
        assert response.status == 403
        assert await response.json() == {
            "status": "error",
            "message": "Incorrect `api_key` or `access_token`.",
            "data": None,
            "error_type": "TokenException",
        }


async def test_unknown_route_or_method_is_answered_in_the_envelope(sandbox: Sandbox) -> None:
    for method, path, expected in (("GET", "/nowhere", 404), ("PUT", "/trades", 405)):
        status, answer = await sandbox.request(method, path)
        assert (status, answer["status"]) == (expected, "error")


async def test_instruments_need_no_session_and_have_exactly_the_type_of_a_csv(
    sandbox: Sandbox,
) -> None:
    async with sandbox.client.get("/instruments") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/csv"
        assert response.headers["Content-Encoding"] == "gzip"
    async with sandbox.client.get(
        "/instruments/BSE", headers={"Accept-Encoding": "identity"}
    ) as response:
        assert "Content-Encoding" not in response.headers
        assert (await response.text()).splitlines()[
            1
        ] == "265,1,SENSEX,SENSEX,0,,0,0,0,EQ,INDICES,BSE"


async def test_history_needs_a_session_unlike_the_dump(sandbox: Sandbox) -> None:
    path = "/instruments/historical/256265/day?from=2026-11-02&to=2026-11-20"
    async with sandbox.client.get(path) as response:
        assert response.status == 403
    status, answer = await sandbox.request("GET", path)
    assert (status, len(answer["data"]["candles"])) == (200, 14)


async def test_second_quote_in_one_second_is_refused_and_the_next_second_is_free(
    sandbox: Sandbox,
) -> None:
    assert (await sandbox.request("GET", "/quote/ltp?i=NSE:INFY"))[0] == 200
    status, answer = await sandbox.request("GET", "/quote?i=NSE:INFY")
    assert (status, answer["message"], answer["error_type"]) == (
        429,
        "Too many requests",
        "NetworkException",
    )
    sandbox.clock.advance(1)
    assert (await sandbox.request("GET", "/quote/ohlc?i=NSE:INFY"))[0] == 200


async def test_eleventh_order_request_in_one_second_is_refused_and_never_reaches_the_book(
    sandbox: Sandbox,
) -> None:
    statuses = [
        (await sandbox.request("POST", "/orders/regular", data=ORDER))[0] for _ in range(11)
    ]
    assert statuses == [200] * 10 + [429]
    assert len(await sandbox.control("GET", "orders")) == 10


async def test_refused_placements_count_against_the_day(sandbox: Sandbox) -> None:
    await sandbox.request("POST", "/orders/regular", data={**ORDER, "quantity": "x"})
    assert (await sandbox.control("GET", "state"))["accounts"][0]["placements_today"] == 1


async def test_order_book_is_empty_again_the_next_day(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "limits", enabled=False)
    await sandbox.request("POST", "/orders/regular", data=ORDER)
    assert len(await sandbox.control("GET", "orders")) == 1
    await sandbox.control("POST", "clock", advance_s=86_400)
    assert await sandbox.control("GET", "orders") == []


async def test_token_of_yesterday_is_dead_after_six(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "clock", advance_s=86_400)
    assert (await sandbox.request("GET", "/orders"))[0] == 403


async def test_smile_tells_what_the_options_were_priced_with(sandbox: Sandbox) -> None:
    await sandbox.control("POST", "price", symbol="NIFTY", price=24_777.0)
    pinned = (await sandbox.control("POST", "market", frozen=True))["exchange_timestamp"]
    async with sandbox.client.get(
        "/sandbox/smile", params={"underlying": "NIFTY", "expiry": "2026-12-01"}
    ) as response:
        smile = await response.json()
    assert smile["spot"] == 24_777.0
    assert smile["exchange_timestamp"] == pinned
    expiry_s = int(datetime(2026, 12, 1, 15, 40, tzinfo=IST).timestamp())
    assert smile["time_to_expiry"] == (expiry_s - pinned) / SECONDS_PER_YEAR
    for row in smile["strikes"]:
        expected = black_call(
            smile["forward"], row["strike"], smile["time_to_expiry"], row["vol"], smile["rate"]
        )
        assert row["call_exact"] == pytest.approx(expected, rel=1e-10)
        assert abs(row["call_price"] - expected) <= 0.025 + 1e-9


def black_call(forward: float, strike: float, time: float, vol: float, rate: float) -> float:
    deviation = vol * math.sqrt(time)
    upper = math.log(forward / strike) / deviation + deviation / 2
    cdf = [0.5 * math.erfc(-x / math.sqrt(2)) for x in (upper, upper - deviation)]
    return math.exp(-rate * time) * (forward * cdf[0] - strike * cdf[1])


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("faults", {"kind": "nonsense"}),
        ("market", {"frozen": "yes"}),
        ("price", {"symbol": "NOTHING", "price": 1}),
        ("price", {"symbol": "NIFTY", "price": -1}),
        ("price", {"symbol": "NIFTY", "price": None}),
        ("clock", {"advance_s": -1}),
        ("limits", {"enabled": 1}),
        ("login", {"account": "NOBODY"}),
    ],
)
async def test_control_that_makes_no_sense_is_refused_with_a_sentence(
    sandbox: Sandbox, path: str, fields
) -> None:
    async with sandbox.client.post(f"/sandbox/{path}", json=fields) as response:
        assert response.status == 400
        assert (await response.json())["error"]


async def test_received_shows_requests_with_their_answers_and_socket_commands(
    sandbox: Sandbox,
) -> None:
    await sandbox.request("POST", "/orders/regular", data={**ORDER, "tag": "r1"})
    ticker = await sandbox.connect()
    await ticker.send_str('{"a":"subscribe","v":[265]}')
    await ticker.receive()
    entries = (await sandbox.control("GET", "received"))["entries"]
    assert [
        (entry["kind"], entry.get("path", entry.get("event")), entry["status"]) for entry in entries
    ] == [
        ("http", "/orders/regular", 200),
        ("ws", "connect", 101),
        ("ws", "message", 0),
    ]
    assert sandbox.who.access_token.reveal() not in json.dumps(entries)


async def run(*arguments: str) -> tuple[int | None, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "deploy.sandbox",
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode, out.decode(), err.decode()


@pytest.mark.slow
async def test_process_with_a_bad_flag_ends_with_two_and_one_sentence() -> None:
    code, out, err = await run("--port", "99999")
    assert (code, out) == (2, "")
    assert err == "--port is 99999; it must be between 0 and 65535\n"


@pytest.mark.slow
async def test_process_on_a_busy_port_ends_with_one_and_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        code, out, err = await run("--port", str(busy.getsockname()[1]))
    assert (code, out) == (1, "")
    assert err.startswith("sandbox: cannot listen on 127.0.0.1:")
    assert err.count("\n") == 1


@pytest.mark.slow
async def test_process_told_to_stop_ends_cleanly_with_a_socket_still_open() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "deploy.sandbox",
        "--strikes",
        "1",
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    found = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    who = found["accounts"][0]
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", int(found["rest_url"].rsplit(":", 1)[1])
    )
    writer.write(
        f"GET /?api_key={who['api_key']}&access_token={who['access_token']} HTTP/1.1\r\nHost: x\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert b" 101 " in await asyncio.wait_for(reader.readline(), 5)
    process.terminate()
    _, err = await asyncio.wait_for(process.communicate(), 10)
    writer.close()
    assert (process.returncode, err) == (0, b"")


@pytest.mark.slow
async def test_running_sandbox_gives_its_address_and_takes_accounts() -> None:
    account = f"ZZ0001:key1:secret1:{'t' * 32}"
    async with running_sandbox(
        seed=3, extra_args=["--strikes", "1", "--account", account]
    ) as found:
        assert found.seed == 3
        assert found.account.id == "ZZ0001"
        state = await asyncio.to_thread(found.get, "state")
        assert state["accounts"][0]["id"] == "ZZ0001"
