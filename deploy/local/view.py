"""How the figures look: a live picture on a terminal, lines elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table

from deploy.local.figures import Snapshot
from shared.wire.orders import OrderEvent

Columns = tuple[tuple[str, str, int], ...]

#: Columns of the chain: record field, heading, decimals.
_LEG: Columns = (
    ("implied_vol", "IV %", 2),
    ("delta", "delta", 3),
    ("gamma", "gamma", 5),
    ("theta_per_day", "theta/d", 2),
    ("vega_per_vol_point", "vega", 2),
    ("last_price", "LTP", 2),
)
#: What a terminal narrower than the whole table shows.
_LEG_NARROW = tuple(
    column for column in _LEG if column[0] in {"implied_vol", "delta", "last_price"}
)
_WIDTH_WHOLE = 140
_PERCENT = 100.0


def picture(shot: Snapshot, width: int) -> RenderableType:
    """Return the whole picture of one moment for a terminal of `width` columns."""
    columns = _LEG if width >= _WIDTH_WHOLE else _LEG_NARROW
    return Group(_flow(shot), _chain(shot, columns), _orders(shot))


def line(shot: Snapshot) -> str:
    """Return one moment as a line of text."""
    whole = shot.hops[-1]
    at_the_money = _at_the_money(shot)
    parts = [
        f"{shot.elapsed_s:6.1f} s",
        f"{shot.ticks_per_s:9,.0f} ticks/s",
        f"p50 {number(whole.p50_ms, 1)} ms",
        f"p99 {number(whole.p99_ms, 1)} ms",
        f"{shot.underlying or 'underlying'} {number(shot.underlying_price, 2)}",
        f"ATM IV {at_the_money}",
        f"order events {shot.events_total}",
    ]
    return " | ".join(parts)


def number(value: float, decimals: int) -> str:
    """Return a number as people read it; a dash where there is none."""
    return "-" if math.isnan(value) else f"{value:,.{decimals}f}"


def event_line(event: OrderEvent) -> str:
    """Return one step of an order as a line of text."""
    price = f" @ {event.average_price}" if event.average_price not in {"", "0"} else ""
    what = f"{event.transaction_type} {event.quantity} {event.tradingsymbol}".strip()
    why = f": {event.reason.sentence}" if event.reason else ""
    return f"{event.event:<12} {event.state:<12} {what}{price} {event.order_id}{why}"


def _flow(shot: Snapshot) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    shards = ", ".join(f"shard {shard}: {count:,}" for shard, count in shot.shards.items())
    rate = f"[bold]{shot.ticks_per_s:,.0f}[/]  of {shot.ticks_total:,} ({shards or 'none yet'})"
    table.add_row("ticks/s", rate)
    table.add_row("entries skipped", f"{shot.skipped_total:,}")
    table.add_row("lag", f"{number(shot.lag_ms, 1)} ms")
    for hop in shot.hops:
        table.add_row(hop.name, f"p50 {number(hop.p50_ms, 2)}  p99 {number(hop.p99_ms, 2)} ms")
    return Panel(table, title=f"flow, {shot.elapsed_s:,.0f} s", title_align="left")


def _chain(shot: Snapshot, columns: Columns) -> RenderableType:
    table = Table(expand=True, show_edge=False)
    for _, heading, _ in columns:
        table.add_column(f"call {heading}", justify="right", style="green")
    table.add_column("strike", justify="center", style="bold")
    for _, heading, _ in reversed(columns):
        table.add_column(f"put {heading}", justify="right", style="red")
    for row in shot.rows:
        calls, puts = _leg(row.call, columns), _leg(row.put, columns)
        table.add_row(*calls, f"{row.strike:,.0f}", *reversed(puts))
    price = number(shot.underlying_price, 2)
    title = f"{shot.underlying or 'chain'} {shot.expiry}, underlying {price}"
    return Panel(table, title=title, title_align="left")


def _orders(shot: Snapshot) -> RenderableType:
    table = Table.grid()
    for event in shot.events:
        table.add_row(event_line(event))
    return Panel(table, title=f"order events, {shot.events_total}", title_align="left")


def _leg(values: Mapping[str, float], columns: Columns) -> list[str]:
    cells = []
    for name, _, decimals in columns:
        scale = _PERCENT if name == "implied_vol" else 1.0
        cells.append(number(values[name] * scale, decimals))
    return cells


def _at_the_money(shot: Snapshot) -> str:
    if not shot.rows:
        return "-"
    nearest = min(shot.rows, key=lambda row: abs(row.strike - shot.underlying_price))
    vol = nearest.call["implied_vol"]
    if math.isnan(vol):
        vol = nearest.put["implied_vol"]
    return f"{number(vol * _PERCENT, 2)} %"
