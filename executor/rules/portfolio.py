"""The broker's trades and positions as values, and whether the two agree."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import msgspec

from shared.errors import MessageError
from shared.store.portfolio import Holding, Position, Trade
from shared.wire.decimals import is_sane

Instrument = tuple[str, str]

_SIGNS: Final = {"BUY": 1, "SELL": -1}


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one reading gave; trades were read first, so that all of them are in the positions."""

    trades: Sequence[Trade]
    positions: Sequence[Position]
    looked_us: int
    #: Of the day in rupees, a profit negative; None where the broker did not tell it.
    loss: Decimal | None = None


def parse_trades(rows: Iterable[bytes]) -> list[Trade]:
    """Read Kite's own rows of trades.

    Raises:
        MessageError: one is no trade; names field and rule.
    """
    trades = []
    for row in rows:
        trade = _parse(row, Trade)
        if trade.transaction_type not in _SIGNS:
            raise MessageError(
                f"trade {trade.trade_id}: transaction_type is {trade.transaction_type}, "
                "must be BUY or SELL"
            )
        trades.append(trade)
    return trades


def parse_positions(rows: Iterable[Mapping[str, Any]]) -> list[Position]:
    """Read Kite's own rows of net positions; an instrument and product appears once.

    Raises:
        MessageError: one is no position; names field and rule.
    """
    positions: dict[tuple[str, str, str], Position] = {}
    for row in rows:
        found = _parse(msgspec.json.encode(row), Position)
        name = found.exchange, found.tradingsymbol, found.product
        if name in positions:
            raise MessageError(f"positions: {' '.join(name)} appears twice")
        positions[name] = found
    return list(positions.values())


def parse_holdings(rows: Iterable[Mapping[str, Any]]) -> list[Holding]:
    """Read Kite's own rows of holdings; an instrument and product that appears twice is one.

    Raises:
        MessageError: one is no holding; names field and rule.
    """
    holdings: dict[tuple[str, str, str], Holding] = {}
    for row in rows:
        found = _decoded(msgspec.json.encode(row), Holding)
        name = found.exchange, found.tradingsymbol, found.product
        before = holdings.get(name)
        holdings[name] = found if before is None else _both(before, found)
    return list(holdings.values())


def _both(one: Holding, other: Holding) -> Holding:
    return msgspec.structs.replace(
        one,
        quantity=one.quantity + other.quantity,
        t1_quantity=one.t1_quantity + other.t1_quantity,
        used_quantity=one.used_quantity + other.used_quantity,
    )


def disagreements(reading: Reading) -> dict[Instrument, tuple[int, int]]:
    """Return where what was traded today is not what the positions changed by: (traded, changed).

    Positions of all products are taken together, since a conversion moves them between products.
    """
    traded: dict[Instrument, int] = defaultdict(int)
    changed: dict[Instrument, int] = defaultdict(int)
    for trade in reading.trades:
        sign = _SIGNS[trade.transaction_type]
        traded[trade.exchange, trade.tradingsymbol] += sign * trade.quantity
    for held in reading.positions:
        changed[held.exchange, held.tradingsymbol] += held.quantity - held.overnight_quantity
    return {
        name: (traded[name], changed[name])
        for name in sorted(traded.keys() | changed.keys())
        if traded[name] != changed[name]
    }


def _parse(row: bytes, kind: type[Any]) -> Any:
    found = _decoded(row, kind)
    if not is_sane(found.average_price):
        raise MessageError(f"{kind.__name__.lower()} row: average_price is of no sensible size")
    return found


def _decoded(row: bytes, kind: type[Any]) -> Any:
    try:
        return msgspec.json.decode(row, type=kind, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MessageError(f"{kind.__name__.lower()} row: {error}") from error
