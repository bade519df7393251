"""Answers to queries as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from shared.ops.printing import Printer
from shared.ops.tables import age, table
from shared.wire import queries as wire

#: Columns by kind; rows of other kinds show every field that is not a structure.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "orders": (
        "order_id", "status", "exchange", "tradingsymbol", "transaction_type", "order_type",
        "product", "quantity>", "filled_quantity>", "price>", "average_price>", "tag",
    ),
    "order_history": (
        "order_timestamp", "status", "quantity>", "filled_quantity>", "price>", "status_message",
    ),
    "trades": (
        "fill_timestamp", "order_id", "exchange", "tradingsymbol", "transaction_type",
        "quantity>", "average_price>", "trade_id",
    ),
    "positions": (
        "exchange", "tradingsymbol", "product", "quantity>", "average_price>", "last_price>",
        "pnl>",
    ),
    "holdings": (
        "exchange", "tradingsymbol", "quantity>", "t1_quantity>", "average_price>",
        "last_price>", "pnl>",
    ),
    "candles": ("time", "open>", "high>", "low>", "close>", "volume>", "oi>"),
    "quote": ("name", "last_price>", "volume>", "buy_quantity>", "sell_quantity>", "oi>"),
}  # fmt: skip
_COLUMNS["order_trades"] = _COLUMNS["trades"]
_CELL_CHARACTERS_MAX = 48


def show(printer: Printer, reply: wire.Reply, now_ns: int) -> None:
    """Print an answer, as a table where it is rows, with how old it is."""
    data = msgspec.json.decode(reply.data)
    rows = rows_of(reply.kind, data)
    if rows is None:
        text = data if isinstance(data, str) else msgspec.json.format(reply.data, indent=2).decode()
        printer.text(str(text))
    else:
        headings = _COLUMNS.get(reply.kind) or _plain(rows)
        cells = [[_cell(row.get(name.rstrip(">"))) for name in headings] for row in rows]
        printer.show(table(headings, cells))
        printer.answer(f"{len(rows)} rows")
    old_s = max(0.0, now_ns / 1e9 - reply.as_of_us / 1e6)
    printer.note(f"as of {age(old_s)} ago{', cached' if reply.cached else ''}")


def rows_of(kind: str, data: Any) -> list[Mapping[str, Any]] | None:
    """Return the rows of an answer, None where it is something else."""
    if kind == "candles" and isinstance(data, Mapping):
        names = ("time", "open", "high", "low", "close", "volume", "oi")
        return [dict(zip(names, row, strict=False)) for row in data.get("candles", ())]
    if kind == "positions" and isinstance(data, Mapping):
        return list(data.get("net", ()))
    if kind in {"quote", "ohlc", "ltp", "trigger_range"} and isinstance(data, Mapping):
        return [{"name": name, **row} for name, row in data.items()]
    if isinstance(data, list) and all(isinstance(row, Mapping) for row in data):
        return data
    return None


def kinds_table() -> Any:
    """Return the table of every kind with its fields."""
    given = {"query_id", "client", "deadline_us"}
    rows = []
    for kind, made in wire.KINDS.items():
        fields = [
            each.name if each.required else f"[{each.name}]"
            for each in msgspec.structs.fields(made)
            if each.name not in given
        ]
        rows.append((kind, " ".join(fields), " ".join((made.__doc__ or "").split())))
    return table(("kind", "fields", "reads"), rows)


def _plain(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names of fields that fit a cell."""
    first = rows[0] if rows else {}
    return [name for name, value in first.items() if not isinstance(value, dict | list)]


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.10g}"
    return str(value)[:_CELL_CHARACTERS_MAX]
