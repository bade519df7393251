"""An option chain, put together from last ticks; its text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct
from rich.table import Table
from rich.text import Text

from shared.ops.listed import Instruments, date_text
from shared.ops.tables import table
from shared.ops.tick_rows import Records, number, plain, status_name
from shared.wire.instruments import Kind

_PERCENT = 100.0
_NS_PER_US = 1000


class Leg(Struct, frozen=True, kw_only=True):
    """The call or the put of a strike; NaN, null in JSON, where nothing is known."""

    instrument_token: int
    tradingsymbol: str
    last_price: float
    bid: float
    ask: float
    implied_vol: float
    delta: float
    gamma: float
    theta_per_day: float
    vega_per_vol_point: float
    oi: int
    status: str


class Row(Struct, frozen=True, kw_only=True):
    """One strike."""

    strike: float
    at_the_money: bool
    call: Leg | None
    put: Leg | None


class Chain(Struct, frozen=True, kw_only=True):
    """A chain of one expiry; `as_of_us` is the newest arrival among its ticks, 0 for none."""

    underlying: str
    expiry: str
    underlying_price: float
    forward: float
    as_of_us: int
    rows: list[Row]


class Window(NamedTuple):
    """Which part of the chain: an expiry (yyyymmdd), strikes either side of the money."""

    underlying: str
    expiry: int
    strikes: int


def build(window: Window, options: Instruments, records: Records) -> Chain:
    """Return the chain of `options`, all of one expiry, from the last `records` of them."""
    forward = _newest(records, "forward")
    underlying_price = _newest(records, "underlying_price")
    money = forward if np.isfinite(forward) else underlying_price
    strikes: list[float] = np.unique(options["strike"]).tolist()
    at = _nearest(strikes, money)
    first = 0 if at is None else max(0, at - window.strikes)
    last = len(strikes) if at is None else at + window.strikes + 1
    legs = _legs(options, records)
    rows = [
        Row(
            strike=strike,
            at_the_money=at is not None and strike == strikes[at],
            call=legs.get((strike, True)),
            put=legs.get((strike, False)),
        )
        for strike in strikes[first:last]
    ]
    newest_ns = int(records["received_at_ns"].max()) if len(records) else 0
    return Chain(
        underlying=window.underlying,
        expiry=date_text(window.expiry),
        underlying_price=underlying_price,
        forward=forward,
        as_of_us=newest_ns // _NS_PER_US,
        rows=rows,
    )


def render(chain: Chain) -> Table:
    """Return the chain as a table: calls left, puts right, the money marked."""
    sides = [f"{heading}>" for heading, _, _, _ in _CELLS]
    headings = [*(f"C {each}" for each in sides), "strike>", *(f"P {e}" for e in reversed(sides))]
    made = table(headings, [], title=_title(chain))
    for row in chain.rows:
        mark = "→ " if row.at_the_money else ""
        cells = [*_cells(row.call), f"{mark}{row.strike:,.12g}", *reversed(_cells(row.put))]
        made.add_row(*(Text(cell) for cell in cells), style="bold" if row.at_the_money else None)
    return made


#: Columns of one side, from the outside in: heading, field, decimals, factor.
_CELLS: tuple[tuple[str, str, int, float], ...] = (
    ("oi", "oi", 0, 1.0),
    ("vega", "vega_per_vol_point", 2, 1.0),
    ("theta", "theta_per_day", 2, 1.0),
    ("gamma", "gamma", 5, 1.0),
    ("delta", "delta", 3, 1.0),
    ("iv %", "implied_vol", 2, _PERCENT),
    ("bid", "bid", 2, 1.0),
    ("ask", "ask", 2, 1.0),
    ("last", "last_price", 2, 1.0),
)


def _title(chain: Chain) -> str:
    price, forward = number(chain.underlying_price, 2), number(chain.forward, 2)
    return f"{chain.underlying} {chain.expiry}   underlying {price}   forward {forward}"


def _cells(leg: Leg | None) -> list[str]:
    if leg is None:
        return ["-"] * len(_CELLS)
    return [number(getattr(leg, field) * factor, decimals) for _, field, decimals, factor in _CELLS]


def _legs(options: Instruments, records: Records) -> Mapping[tuple[float, bool], Leg]:
    by_token: dict[int, np.void] = {int(each["instrument_token"]): each for each in records}
    return {
        (float(option["strike"]), bool(option["kind"] == Kind.CALL)): _leg(
            option, by_token[int(option["instrument_token"])]
        )
        for option in options
        if int(option["instrument_token"]) in by_token
    }


def _leg(option: np.void, record: np.void) -> Leg:
    def value(name: str) -> Any:
        return plain(record, name)

    return Leg(
        instrument_token=int(option["instrument_token"]),
        tradingsymbol=option["tradingsymbol"].decode(),
        last_price=value("last_price"),
        bid=float(record["bid_price"][0]),
        ask=float(record["ask_price"][0]),
        implied_vol=value("implied_vol"),
        delta=value("delta"),
        gamma=value("gamma"),
        theta_per_day=value("theta_per_day"),
        vega_per_vol_point=value("vega_per_vol_point"),
        oi=value("oi"),
        status=status_name(int(record["status"])),
    )


def _newest(records: Records, name: str) -> float:
    """Return the newest known value of what all the rows share."""
    known = records[np.isfinite(records[name]) & (records[name] > 0)]
    if not len(known):
        return float("nan")
    return float(known[np.argmax(known["received_at_ns"])][name])


def _nearest(strikes: list[float], money: float) -> int | None:
    if not strikes or not np.isfinite(money):
        return None
    return int(np.argmin(np.abs(np.array(strikes) - money)))
