from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from executor.rules.portfolio import (
    Reading,
    disagreements,
    parse_holdings,
    parse_positions,
    parse_trades,
)
from shared.errors import MessageError
from shared.store.portfolio import Position, Trade

TRADE = {
    "trade_id": "10000000",
    "order_id": "200000000017724",
    "exchange": "NSE",
    "tradingsymbol": "SBIN",
    "instrument_token": 779521,
    "product": "CNC",
    "average_price": 420.65,
    "quantity": 1,
    "transaction_type": "BUY",
    "fill_timestamp": "2021-05-31 09:16:39",
}
POSITION = {
    "tradingsymbol": "SBIN",
    "exchange": "NSE",
    "product": "CNC",
    "quantity": 1,
    "overnight_quantity": 0,
    "average_price": 420.65,
    "pnl": -0.1,
}


def reading(*, trades=(), positions=()):
    return Reading(
        trades=[msgspec.convert({**TRADE, **each}, Trade) for each in trades],
        positions=[msgspec.convert({**POSITION, **each}, Position) for each in positions],
        looked_us=1,
    )


def test_rows_are_read_as_kite_writes_them():
    (trade,) = parse_trades([msgspec.json.encode(TRADE)])
    assert (trade.trade_id, trade.average_price) == ("10000000", Decimal("420.65"))
    (held,) = parse_positions([POSITION])
    assert (held.quantity, held.product) == (1, "CNC")


@pytest.mark.parametrize(
    "bad", [{"quantity": "many"}, {"transaction_type": "HOLD"}, {"average_price": 1e300}]
)
def test_row_that_is_no_trade_is_refused(bad):
    with pytest.raises(MessageError):
        parse_trades([msgspec.json.encode({**TRADE, **bad})])


def test_position_that_appears_twice_is_refused():
    with pytest.raises(MessageError, match="twice"):
        parse_positions([POSITION, POSITION])


def test_trades_that_make_the_positions_agree_with_them():
    both = reading(
        trades=[{"quantity": 5}, {"quantity": 2, "transaction_type": "SELL"}],
        positions=[{"quantity": 13, "overnight_quantity": 10}],
    )
    assert disagreements(both) == {}


def test_conversion_between_products_is_no_disagreement():
    both = reading(
        trades=[{"quantity": 5, "product": "MIS"}],
        positions=[{"quantity": 5}, {"quantity": 0, "product": "MIS"}],
    )
    assert disagreements(both) == {}


@pytest.mark.parametrize(
    ("trades", "positions", "found"),
    [
        ([{"quantity": 5}], [], (5, 0)),
        ([], [{"quantity": 3}], (0, 3)),
        ([{"quantity": 5}], [{"quantity": 4}], (5, 4)),
    ],
)
def test_fill_in_one_of_the_two_only_is_a_disagreement(trades, positions, found):
    both = reading(trades=trades, positions=positions)
    assert disagreements(both) == {("NSE", "SBIN"): found}


HOLDING = {
    "tradingsymbol": "SBIN",
    "exchange": "NSE",
    "product": "CNC",
    "quantity": 8,
    "t1_quantity": 2,
    "used_quantity": 1,
    "collateral_type": None,
    "average_price": 420.65,
}


def test_holdings_of_one_name_are_taken_together():
    (found,) = parse_holdings([HOLDING, {**HOLDING, "quantity": 1, "t1_quantity": 0}])
    assert (found.quantity, found.t1_quantity, found.used_quantity) == (9, 2, 2)


def test_holding_without_a_quantity_is_refused():
    with pytest.raises(MessageError, match="quantity"):
        parse_holdings([{**HOLDING, "quantity": None}])
