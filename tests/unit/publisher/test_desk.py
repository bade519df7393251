"""What is asked for is granted by name or refused by name."""

import json

import msgspec
import pytest

from publisher.access.auth import digest, read_keyring
from publisher.fanout.dialects import JSON
from publisher.fanout.hub import Hub, HubLimits
from publisher.fanout.universe import Universe
from publisher.protocol import farewells
from publisher.session.desk import Desk, DeskLimits
from publisher.session.session import Session
from shared.wire.instruments import Kind
from tests.support.publisher_rows import CALL, INFY, NIFTY, PUT, instruments, listing, rows

KEY, TICKS_KEY, ORDERS_KEY = "a" * 40, "t" * 40, "o" * 40
LIMITS = DeskLimits(
    connections_per_key_max=2,
    instruments_per_connection_max=3,
    requests_per_minute_max=5,
    message_bytes_max=1 << 16,
    heartbeat_s=15.0,
)


@pytest.fixture
def desk() -> Desk:
    keyring = read_keyring(
        [
            f"all:ticks+orders:*:{digest(KEY)}",
            f"ticks:ticks:{digest(TICKS_KEY)}",
            f"orders:orders:SB0001:{digest(ORDERS_KEY)}",
        ]
    )
    hub = Hub(HubLimits(4, 100, 1 << 20, 1 << 16), [JSON])
    desk = Desk(hub, keyring, accounts=["SB0001", "SB0002"], limits=LIMITS, epoch="e")
    desk.publish(Universe(instruments()))
    return desk


def enter(desk: Desk, key: str = KEY) -> Session:
    session = desk.enter(key)
    assert isinstance(session, Session)
    return session


def hear(desk: Desk, session: Session) -> list[dict]:
    messages = []
    while (taken := desk.hub.take(session.subscriber, 0.0)).messages:
        messages += map(json.loads, taken.messages)
    return messages


def ask(desk: Desk, session: Session, now_s: float = 0.0, **request) -> list[dict]:
    request = {"op": "subscribe", **request}
    assert session.answer(json.dumps(request), now_ns=5_000, now_s=now_s) is None
    return hear(desk, session)


def test_a_wrong_key_gets_nothing(desk: Desk) -> None:
    assert desk.enter("w" * 40) is farewells.UNAUTHENTICATED


def test_a_key_has_so_many_connections(desk: Desk) -> None:
    first = enter(desk)
    enter(desk)
    assert desk.enter(KEY) is farewells.KEY_CONNECTIONS
    desk.leave(first)
    enter(desk)


def test_the_publisher_has_so_many_connections(desk: Desk) -> None:
    for key in (KEY, KEY, TICKS_KEY, TICKS_KEY):
        enter(desk, key)
    assert desk.enter(ORDERS_KEY) is farewells.CONNECTIONS


def test_welcome_says_what_is_in_force(desk: Desk) -> None:
    session = enter(desk)
    session.welcome(now_ns=7_000)
    (welcome,) = hear(desk, session)
    assert welcome == {
        "op": "welcome",
        "name": "all",
        "epoch": "e",
        "server_time_us": 7,
        "heartbeat_s": 15.0,
        "instruments_max": 3,
        "message_bytes_max": 65536,
    }


def test_a_subscribe_is_answered_then_a_snapshot_follows(desk: Desk) -> None:
    desk.hub.apply(rows((CALL, 10.0), (INFY, 1500.0)))
    session = enter(desk)
    subscribed, snapshot = ask(
        desk,
        session,
        ticks={"tokens": [INFY], "symbols": ["NFO:NIFTY26NOV24000CE"], "mode": "ltp"},
        orders=["SB0001"],
        gaps=True,
        policy={"mode": "conflate", "min_interval_ms": 200},
    )
    assert subscribed == {
        "op": "subscribed",
        "accepted": {
            "tokens": [CALL, INFY],
            "underlyings": {},
            "patterns": {},
            "chains": [],
            "mode": "ltp",
            "orders": {"SB0001": -1},
            "updates": [],
            "gaps": True,
            "policy": {"mode": "conflate", "min_interval_ms": 200, "budget_bytes": None},
            "instruments": 2,
            "bars": {},
        },
        "refused": [],
        "snapshot_id": 2,
        "at": {},
        "bars_at": {},
        "offsets": {"orders:SB0001": "0-0"},
        "recovered": False,
        "missed": [],
    }
    assert [row["tradingsymbol"] for row in snapshot["ticks"]] == ["NIFTY26NOV24000CE", "INFY"]


def test_the_unknown_is_refused_by_name_while_the_rest_is_granted(desk: Desk) -> None:
    session = enter(desk)
    ticks = {"tokens": [INFY, 999], "symbols": ["NSE:NOPE"], "underlyings": ["NOTHING"]}
    subscribed = ask(desk, session, ticks=ticks, orders=["SB9999"])[0]
    assert subscribed["accepted"]["tokens"] == [INFY]
    assert {(each["what"], each["reason"]) for each in subscribed["refused"]} == {
        ("999", "unknown_instrument"),
        ("NSE:NOPE", "unknown_instrument"),
        ("NOTHING", "unknown_underlying"),
        ("orders:SB9999", "unknown_account"),
    }


def test_what_is_over_the_quota_is_refused_by_name(desk: Desk) -> None:
    session = enter(desk)
    subscribed = ask(desk, session, ticks={"tokens": [NIFTY, CALL, PUT, INFY]})[0]
    assert subscribed["accepted"]["instruments"] == 3
    assert subscribed["refused"] == [{"what": str(INFY), "reason": "over_quota"}]
    again = ask(desk, session, ticks={"underlyings": ["INFY"]})[0]
    assert again["refused"] == [{"what": "INFY", "reason": "over_quota"}]


def test_scopes_are_refused_by_name(desk: Desk) -> None:
    ticks_only, orders_only = enter(desk, TICKS_KEY), enter(desk, ORDERS_KEY)
    subscribed = ask(desk, ticks_only, orders=["SB0001"])[0]
    assert subscribed["refused"] == [{"what": "orders:SB0001", "reason": "forbidden"}]
    messages = ask(desk, orders_only, ticks={"tokens": [INFY]}, gaps=True, orders=["SB0002"])
    assert [each["what"] for each in messages[0]["refused"]] == ["gaps", "orders:SB0002", "ticks"]
    assert len(messages) == 1


def test_an_underlying_is_followed_as_instruments_come_and_go(desk: Desk) -> None:
    session = enter(desk)
    assert ask(desk, session, ticks={"underlyings": ["NIFTY"]})[0]["accepted"]["underlyings"] == {
        "NIFTY": 3
    }
    published = [
        (NIFTY, "NSE", "NIFTY 50", "NIFTY", Kind.INDEX),
        (103, "NFO", "NIFTY26DEC24000CE", "NIFTY", Kind.CALL),
    ]
    assert desk.publish(Universe(listing(published))) == [session.subscriber]
    (changed,) = hear(desk, session)
    assert changed == {
        "op": "underlying_changed",
        "underlying": "NIFTY",
        "instruments": 2,
        "refused": 0,
    }
    desk.hub.apply(rows((CALL, 1.0), (103, 2.0)))
    (ticks,) = hear(desk, session)
    assert [row["tradingsymbol"] for row in ticks["ticks"]] == ["NIFTY26DEC24000CE"]


def test_unsubscribing_says_what_is_left(desk: Desk) -> None:
    session = enter(desk)
    ask(desk, session, ticks={"underlyings": ["NIFTY"]}, orders=["SB0001"], gaps=True)
    (left,) = ask(
        desk,
        session,
        op="unsubscribe",
        ticks={"underlyings": ["NIFTY", "INFY"], "tokens": [INFY]},
        orders=["SB0001", "SB0002"],
        gaps=True,
    )
    assert (left["instruments"], left["orders"], left["gaps"]) == (0, [], False)
    assert [each["what"] for each in left["refused"]] == ["orders:SB0002", str(INFY), "INFY"]
    desk.hub.apply(rows((CALL, 1.0)))
    assert hear(desk, session) == []


def test_malformed_messages_are_told_why_then_end_the_connection(desk: Desk) -> None:
    session = enter(desk)
    assert session.answer("{", now_ns=0, now_s=0.0) is farewells.MALFORMED
    (fault,) = hear(desk, session)
    assert (fault["op"], fault["code"]) == ("error", "malformed")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"op": "dance"}, 'op is "dance", must be one of auth, subscribe, unsubscribe, ping'),
        ({"op": "subscribe", "wat": 1}, "wat is 1, must be absent: there is no such field"),
        (
            {"op": "subscribe", "ticks": {"tokens": [INFY], "mode": "best"}},
            'ticks.mode is "best", must be one of full, greeks, ltp, quote',
        ),
        ({"op": "subscribe", "ticks": {"tokens": [0]}}, "ticks.tokens[0] is 0, must be int >= 1"),
    ],
)
def test_a_malformed_message_is_told_field_value_and_rule(
    desk: Desk, message: dict, words: str
) -> None:
    for encoded in (json.dumps(message), msgspec.msgpack.encode(message)):
        session = enter(desk)
        assert session.answer(encoded, now_ns=0, now_s=0.0) is farewells.MALFORMED
        (fault,) = hear(desk, session)
        assert fault["message"] == words


def test_so_many_requests_a_minute_are_enough(desk: Desk) -> None:
    session = enter(desk)
    for _ in range(LIMITS.requests_per_minute_max):
        assert ask(desk, session, op="ping")[0]["op"] == "heartbeat"
    assert session.answer('{"op":"ping"}', now_ns=0, now_s=59.0) is farewells.REQUESTS
    assert ask(desk, session, op="ping", now_s=60.0)


def test_a_heartbeat_tells_how_far_everything_has_come(desk: Desk) -> None:
    session = enter(desk)
    ask(desk, session, orders=["SB0001"])
    desk.order_sequences["SB0001"] = 41
    desk.hub.apply(rows((1, 1.0), (2, 1.0)))
    desk.has_upstream = True
    assert ask(desk, session, op="ping") == [
        {
            "op": "heartbeat",
            "server_time_us": 5,
            "sequence": 2,
            "upstream": True,
            "orders": {"SB0001": 41},
            "at": {},
        }
    ]


def test_a_second_key_changes_nothing(desk: Desk) -> None:
    session = enter(desk, TICKS_KEY)
    (fault,) = ask(desk, session, op="auth", key=KEY)
    assert fault["code"] == "authenticated"
    assert session.principal.name == "ticks"


def test_more_snapshots_than_may_be_under_way_are_refused(desk: Desk) -> None:
    session = enter(desk)
    for number in range(17):
        session.answer(
            json.dumps({"op": "subscribe", "ticks": {"tokens": [INFY]}}),
            now_ns=0,
            now_s=60.0 * number,
        )
    messages = hear(desk, session)
    assert [each["op"] for each in messages].count("snapshot") == 16
    assert [each["code"] for each in messages if each["op"] == "error"] == ["busy"]
