"""Orders meet the market."""

from datetime import datetime

import pytest

from deploy.sandbox.desk import ORDINARY, Circumstances, Desk
from deploy.sandbox.expiry_calendar import IST
from deploy.sandbox.ids import IdMint
from deploy.sandbox.market import Market, MarketTerms
from deploy.sandbox.market_clock import MarketClock
from deploy.sandbox.orders import Status
from shared.clock import ManualClock
from shared.errors import KiteRejected

START_NS = int(datetime(2026, 11, 25, 10, tzinfo=IST).timestamp()) * 10**9
INFY = 408065


class Setting:
    """A desk with its market, its clock, and the updates it sent."""

    def __init__(self) -> None:
        self.clock = ManualClock(START_NS)
        self.market = Market(
            MarketTerms(seed=2, strikes_each_side=2, step_s=0.25), START_NS // 10**9
        )
        self.market.freeze(START_NS // 10**9, frozen=True)
        self.updates: list[tuple[str, str]] = []
        self.desk = Desk("SB0001", self.market, MarketClock(self.clock), IdMint(), self._note)
        self.book = self.market.book(self.market.listing.row_of_token[INFY])

    def _note(self, order, word: str) -> None:
        self.updates.append((order.order_id, word))

    def place(self, delays: Circumstances = ORDINARY, **change) -> str:
        form = {
            "exchange": "NSE",
            "tradingsymbol": "INFY",
            "transaction_type": "BUY",
            "quantity": "10",
            "product": "CNC",
            "order_type": "LIMIT",
            "price": f"{self.book.bids[-1].price / 100:.2f}",
            **{name: str(value) for name, value in change.items()},
        }
        return self.desk.place("regular", form, delays)

    def move(self, paise: int) -> None:
        self.market.set_spot(
            self.market.listing.contracts[self.market.listing.row_of_token[INFY]].asset,
            paise / 100,
            START_NS // 10**9,
        )
        self.desk.on_market()

    def statuses(self, order_id: str) -> list[str]:
        return [str(order.status) for order in self.desk.history(order_id)]


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_desk_resting_order_shows_every_step_of_its_acceptance(setting: Setting) -> None:
    order_id = setting.place()
    assert setting.statuses(order_id) == [
        "PUT ORDER REQ RECEIVED",
        "VALIDATION PENDING",
        "OPEN PENDING",
        "OPEN",
    ]
    assert setting.updates == [(order_id, "OPEN")]


def test_desk_crossing_order_completes_at_the_books_price(setting: Setting) -> None:
    order_id = setting.place(price=f"{setting.book.asks[-1].price / 100:.2f}")
    order = setting.desk.history(order_id)[-1]
    assert order.status is Status.COMPLETE
    assert order.average == setting.book.asks[0].price
    assert [(trade.quantity, trade.price) for trade in setting.desk.trades] == [
        (10, setting.book.asks[0].price)
    ]


def test_desk_protected_market_order_becomes_a_limit_with_its_tags(setting: Setting) -> None:
    order_id = setting.place(order_type="MARKET", market_protection=-1, tag="mine")
    order = setting.desk.history(order_id)[-1]
    assert order.ticket.order_type == "LIMIT"
    assert order.ticket.tags == ("mktp", "mktp:0.50")
    assert order.status is Status.COMPLETE


def test_desk_resting_order_fills_when_the_market_comes_to_it(setting: Setting) -> None:
    order_id = setting.place()
    setting.move(setting.book.bids[-1].price - 1000)
    assert setting.statuses(order_id)[-1] == "COMPLETE"
    assert setting.updates[-1] == (order_id, "COMPLETE")


def test_desk_large_order_fills_in_part_and_says_update(setting: Setting) -> None:
    whole = sum(rung.quantity for rung in setting.book.asks)
    order_id = setting.place(quantity=whole + 50, price=f"{setting.book.asks[-1].price / 100:.2f}")
    order = setting.desk.history(order_id)[-1]
    assert (order.status, order.filled, order.pending) == (Status.OPEN, whole, 50)
    assert setting.updates[-1] == (order_id, "UPDATE")


def test_desk_immediate_order_cancels_what_did_not_fill(setting: Setting) -> None:
    assert setting.statuses(setting.place(validity="IOC"))[-1] == "CANCELLED"


def test_desk_order_with_minutes_to_live_ends_when_they_are_over(setting: Setting) -> None:
    order_id = setting.place(validity="TTL", validity_ttl=2)
    setting.clock.advance(119)
    setting.desk.on_market()
    assert setting.statuses(order_id)[-1] == "OPEN"
    setting.clock.advance(1)
    setting.desk.on_market()
    assert setting.statuses(order_id)[-1] == "CANCELLED"


def test_desk_stop_order_waits_for_its_trigger_then_trades(setting: Setting) -> None:
    trigger = setting.book.last + 1000
    order_id = setting.place(
        order_type="SL", trigger_price=f"{trigger / 100:.2f}", price=f"{(trigger + 500) / 100:.2f}"
    )
    assert setting.statuses(order_id)[-1] == "TRIGGER PENDING"
    setting.move(trigger + 10)
    assert setting.statuses(order_id)[-2:] == ["OPEN", "COMPLETE"]


def test_desk_modified_order_goes_through_the_brokers_words(setting: Setting) -> None:
    order_id = setting.place()
    setting.desk.modify(order_id, {"quantity": "20"})
    assert setting.statuses(order_id)[-4:] == [
        "MODIFY VALIDATION PENDING",
        "MODIFY PENDING",
        "MODIFIED",
        "OPEN",
    ]
    assert setting.desk.orders()[0].ticket.quantity == 20


def test_desk_order_modified_to_market_trades_at_once(setting: Setting) -> None:
    order_id = setting.place()
    setting.desk.modify(order_id, {"order_type": "MARKET", "market_protection": "-1"})
    order = setting.desk.history(order_id)[-1]
    assert (order.status, order.ticket.order_type) == (Status.COMPLETE, "LIMIT")


def test_desk_twenty_sixth_modification_is_refused(setting: Setting) -> None:
    order_id = setting.place()
    for number in range(25):
        setting.desk.modify(order_id, {"quantity": str(11 + number)})
    with pytest.raises(KiteRejected, match="Maximum allowed order requests exceeded"):
        setting.desk.modify(order_id, {"quantity": "99"})


def test_desk_cancelled_order_is_never_touched_again(setting: Setting) -> None:
    order_id = setting.place()
    setting.desk.cancel(order_id)
    assert setting.statuses(order_id)[-2:] == ["CANCEL PENDING", "CANCELLED"]
    with pytest.raises(KiteRejected, match="being processed"):
        setting.desk.cancel(order_id)
    with pytest.raises(KiteRejected, match="being processed"):
        setting.desk.modify(order_id, {"quantity": "20"})


def test_desk_price_outside_the_band_is_rejected_by_the_exchange(setting: Setting) -> None:
    order_id = setting.place(price=f"{setting.book.last * 2 // 100}.00")
    assert setting.statuses(order_id)[-1] == "REJECTED"
    assert "execution range" in (setting.desk.orders()[0].message or "")


def test_desk_order_dearer_than_the_purse_never_reaches_the_book(setting: Setting) -> None:
    with pytest.raises(KiteRejected, match="Insufficient funds") as caught:
        setting.place(quantity=5_000_000)
    assert caught.value.error_type == "MarginException"
    assert setting.desk.orders() == []


def test_desk_working_orders_tie_up_money_until_they_end(setting: Setting) -> None:
    order_id = setting.place()
    assert setting.desk.blocked_paise() == 10 * setting.book.bids[-1].price
    setting.desk.cancel(order_id)
    assert setting.desk.blocked_paise() == 0


def test_desk_hidden_order_works_but_shows_only_later(setting: Setting) -> None:
    setting.place(Circumstances(hidden_s=5.0))
    assert setting.desk.orders() == []
    assert len(setting.desk.every_order()) == 1
    setting.clock.advance(5)
    assert len(setting.desk.orders()) == 1


def test_desk_stuck_order_is_admitted_only_later(setting: Setting) -> None:
    order_id = setting.place(Circumstances(stuck_s=5.0))
    setting.desk.on_market()
    assert setting.statuses(order_id) == ["PUT ORDER REQ RECEIVED"]
    setting.clock.advance(5)
    setting.desk.on_market()
    assert setting.statuses(order_id)[-1] == "OPEN"


def test_desk_order_ids_are_nineteen_digits_that_grow_and_tell_their_time(setting: Setting) -> None:
    ids = [setting.place() for _ in range(5)]
    assert all(len(order_id) == 19 for order_id in ids)
    assert sorted(ids) == ids
    assert len(set(ids)) == 5
    assert (int(ids[0]) >> 22) + 1288834974657 == START_NS // 10**6
