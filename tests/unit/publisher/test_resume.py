"""Who comes back misses nothing, or is told that something may be missing: never half."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.access.auth import digest, read_keyring
from publisher.fanout.dialects import DIALECTS
from publisher.fanout.flow import Source
from publisher.fanout.history import History, Past
from publisher.fanout.hub import Hub, HubLimits
from publisher.fanout.universe import Universe
from publisher.protocol.messages import Order
from publisher.session.desk import Desk, DeskLimits
from publisher.session.session import Session
from shared.wire.orders import OrderEvent, State
from tests.support.publisher_rows import CALL, INFY, NIFTY, PUT, instruments, rows

KEY = "a" * 40
LIMITS = DeskLimits(
    connections_per_key_max=9,
    instruments_per_connection_max=10,
    requests_per_minute_max=500,
    message_bytes_max=1 << 16,
    heartbeat_s=15.0,
)
ALL = [CALL, PUT, INFY, NIFTY]


def new_desk(epoch: str = "e", history_bytes_max: int = 1 << 20, **limits) -> Desk:
    hub = Hub(HubLimits(9, 100, 1 << 20, 600, history_bytes_max=history_bytes_max), DIALECTS)
    keyring = read_keyring([f"all:ticks+orders:*:{digest(KEY)}"])
    desk = Desk(hub, keyring, accounts=["SB0001"], limits=replace(LIMITS, **limits), epoch=epoch)
    desk.publish(Universe(instruments()))
    hub.begin_shard("0", "0-0", is_empty=True)
    hub.begin_shard("1", "0-0", is_empty=True)
    hub.channels.get("orders:SB0001").begin("0-0")
    return desk


class Client:
    """Remembers where it is, as the protocol says that a client does."""

    def __init__(self, policy: str = "strict") -> None:
        self.policy = policy
        self.at: dict[str, str] = {}
        self.coming: dict[str, str] = {}
        self.epoch, self.sequence = "", 0
        self.seen: list[tuple[int, float]] = []
        self.orders: list[int] = []
        self.order_id: str | None = None

    def join(self, desk: Desk, *, is_back: bool = False) -> dict:
        self.desk, self.session = desk, desk.enter(KEY)
        assert isinstance(self.session, Session)
        request: dict = {
            "op": "subscribe",
            "ticks": {"tokens": ALL, "mode": "ltp"},
            "orders": ["SB0001"],
            "policy": {"mode": self.policy},
        }
        if is_back:
            request["resume"] = {"epoch": self.epoch, "sequence": self.sequence, "at": self.at}
            if self.order_id:
                request["resume"]["orders"] = {"SB0001": self.order_id}
        self.epoch = desk.epoch
        assert self.session.answer(json.dumps(request), now_ns=1, now_s=1.0) is None
        (subscribed,) = self.read(1)
        return subscribed

    def leave(self) -> None:
        self.desk.leave(self.session)

    def read(self, messages_max: int = 10_000) -> list[dict]:
        heard: list[dict] = []
        while len(heard) < messages_max:
            taken = self.desk.hub.take(self.session.subscriber, 0.0)
            for message in map(json.loads, taken.messages):
                heard.append(message)
                self._hear(message)
            if not taken.messages:
                return heard
        return heard

    def _hear(self, message: dict) -> None:
        match message["op"]:
            case "subscribed":
                self.coming = message["at"]
                self.sequence = 0
                self.order_id = message["offsets"].get("orders:SB0001", self.order_id)
            case "snapshot":
                if message["last"]:
                    self.at = self.coming
            case "order":
                self.orders.append(message["event"]["sequence"])
                self.order_id = message["id"]
        for row in message.get("ticks", ()):
            if message["op"] == "ticks":
                self.seen.append((row["instrument_token"], row["last_price"]))
            self.sequence = max(self.sequence, row["sequence"])
        if message["op"] == "ticks":
            self.at = {**self.at, **message.get("at", {})}


def feed(
    desk: Desk, number: int, *, shard: str = "0", tokens=ALL, stamp: int | None = None
) -> None:
    stamp = 1_000_000_000 + number if stamp is None else stamp
    records = rows(*((token, float(number)) for token in tokens), received_at_ns=stamp)
    desk.hub.apply(records, Source(shard, f"{number}-0"))


def order(desk: Desk, number: int) -> None:
    event = OrderEvent(
        sequence=number, account="SB0001", command_id=f"command-{number}", kind="place",
        event="accepted", state=State.OPEN, at_us=1_764_000_000_000_000,
    )  # fmt: skip
    desk.hub.channels.tell(
        "orders:SB0001", f"{number}-0", Order(id=f"{number}-0", account="SB0001", event=event)
    )


def test_every_tick_told_while_one_was_away_is_told_when_it_comes_back() -> None:
    desk, client = new_desk(), Client()
    feed(desk, 1)
    client.join(desk)
    feed(desk, 2)
    client.read()
    client.leave()
    feed(desk, 3)
    feed(desk, 4, shard="1")
    subscribed = client.join(desk, is_back=True)
    assert (subscribed["recovered"], subscribed["missed"]) == (True, [])
    feed(desk, 5)
    client.read()
    assert [price for token, price in client.seen if token == CALL] == [2.0, 3.0, 4.0, 5.0]


def test_the_place_is_good_at_a_new_publisher_that_read_the_same_streams() -> None:
    old, client = new_desk("old"), Client()
    client.join(old)
    feed(old, 1)
    client.read()
    new = new_desk("new")
    for number in (1, 2, 3):
        feed(new, number)
    assert client.join(new, is_back=True)["recovered"]
    client.read()
    assert [price for token, price in client.seen if token == CALL] == [1.0, 2.0, 3.0]


def test_what_is_no_longer_kept_is_not_recovered_but_a_snapshot() -> None:
    desk, client = new_desk(history_bytes_max=5 * 392 * 4), Client()
    client.join(desk)
    feed(desk, 1)
    client.read()
    client.leave()
    for number in range(2, 20):
        feed(desk, number)
    subscribed = client.join(desk, is_back=True)
    assert (subscribed["recovered"], subscribed["missed"]) == (False, ["ticks"])
    told = [row for snapshot in client.read() for row in snapshot["ticks"]]
    assert [row["last_price"] for row in told] == [19.0] * len(ALL)


@pytest.mark.parametrize(
    "at", [{}, {"0": "1-0"}, {"0": "77-0", "1": "0-0"}, {"0": "1-0/9", "1": "5-5"}]
)
def test_a_place_that_nobody_knows_is_not_recovered(at: dict) -> None:
    desk, client = new_desk(), Client()
    feed(desk, 1)
    client.at = at
    assert not client.join(desk, is_back=True)["recovered"]


def test_too_many_at_once_get_a_snapshot() -> None:
    desk = new_desk(replays_per_s_max=2)
    feed(desk, 1)
    clients = [Client() for _ in range(4)]
    for client in clients:
        client.at = {"0": "1-0", "1": "0-0"}
    recovered = [client.join(desk, is_back=True)["recovered"] for client in clients]
    assert recovered == [True, True, False, False]


def test_more_ticks_than_may_be_told_again_are_a_snapshot() -> None:
    desk, client = new_desk(replay_ticks_max=6), Client()
    client.at = {"0": "0-0", "1": "0-0"}
    feed(desk, 1)
    feed(desk, 2)
    assert not client.join(desk, is_back=True)["recovered"]
    assert client.read()[0]["op"] == "snapshot"
    assert client.seen == []


def test_a_conflated_client_gets_what_moved_since_it_left() -> None:
    desk, client = new_desk(), Client("conflate")
    feed(desk, 1)
    client.join(desk)
    client.read()
    client.leave()
    feed(desk, 2, tokens=[PUT])
    assert client.join(desk, is_back=True)["recovered"]
    (snapshot,) = client.read()
    assert [(row["instrument_token"], row["last_price"]) for row in snapshot["ticks"]] == [
        (PUT, 2.0)
    ]


def test_a_conflated_client_gets_everything_from_another_publisher() -> None:
    old, client = new_desk("old"), Client("conflate")
    feed(old, 1)
    client.join(old)
    client.read()
    new = new_desk("new")
    feed(new, 1)
    subscribed = client.join(new, is_back=True)
    assert (subscribed["recovered"], subscribed["missed"]) == (False, ["ticks"])
    assert sum(len(snapshot["ticks"]) for snapshot in client.read()) == len(ALL)


def test_a_conflated_client_that_is_ahead_of_the_publisher_gets_everything() -> None:
    desk, client = new_desk(), Client("conflate")
    feed(desk, 1)
    client.epoch, client.sequence = desk.epoch, 10**9
    subscribed = client.join(desk, is_back=True)
    assert (subscribed["recovered"], subscribed["missed"]) == (False, ["ticks"])
    assert sum(len(snapshot["ticks"]) for snapshot in client.read()) == len(ALL)


def test_ticks_that_are_new_to_a_client_are_not_missed_by_it() -> None:
    desk, client = new_desk(), Client()
    order(desk, 1)
    client.join(desk)
    client.leave()
    client.epoch, client.at = "", {}
    assert client.join(desk, is_back=True)["missed"] == []


def test_orders_are_told_from_the_place_one_had_come_to() -> None:
    desk, client = new_desk(), Client()
    order(desk, 1)
    client.join(desk)
    order(desk, 2)
    client.read()
    client.leave()
    order(desk, 3)
    order(desk, 4)
    assert client.join(desk, is_back=True)["missed"] == []
    client.read()
    assert client.orders == [2, 3, 4]


def test_orders_that_are_no_longer_kept_are_named_as_missed() -> None:
    desk, client = new_desk(backlog_entries_max=3), Client()
    client.join(desk)
    order(desk, 1)
    client.read()
    client.leave()
    for number in range(2, 9):
        order(desk, number)
    subscribed = client.join(desk, is_back=True)
    assert (subscribed["recovered"], subscribed["missed"]) == (False, ["orders:SB0001"])
    order(desk, 9)
    client.read()
    assert client.orders == [1, 9]


@settings(max_examples=40, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["feed0", "feed1", "read", "some", "cut", "restart"]), st.integers(1, 4)
        ),
        max_size=40,
    )
)
def test_whatever_is_cut_when_every_tick_comes_once(steps: list) -> None:
    entries: list[tuple[str, int, list[int]]] = []
    desk, client = new_desk("0"), Client()
    client.join(desk)
    client.read()
    number = 0
    for step, count in steps:
        if step.startswith("feed"):
            number += 1
            entries.append((step[-1], number, ALL[:count] * 2))
            feed(desk, number, shard=step[-1], tokens=ALL[:count] * 2)
        elif step == "read":
            client.read()
        elif step == "some":
            client.read(count)
        elif step == "cut":
            client.leave()
            assert client.join(desk, is_back=True)["recovered"]
        else:
            desk = new_desk(str(number))
            for shard, each, tokens in entries:
                feed(desk, each, shard=shard, tokens=tokens)
            assert client.join(desk, is_back=True)["recovered"]
    client.read()
    for token in ALL:
        due = [float(each) for _, each, tokens in entries for _ in range(tokens.count(token))]
        assert [price for seen, price in client.seen if seen == token] == due


def test_history_holds_no_more_than_it_may() -> None:
    history = History(bytes_max=10 * 392)
    history.begin("0", "0-0")
    for number in range(1, 50):
        records = rows((CALL, 1.0), (PUT, 2.0))
        history.append(Past(Source("0", f"{number}-0"), np.zeros(2, np.int64), records))
        assert history.bytes <= 10 * 392
    assert history.since({"0": "44-0"}) is not None
    assert history.since({"0": "43-0"}) is None
    assert len(history.since({"0": "45-0"})) == 4
