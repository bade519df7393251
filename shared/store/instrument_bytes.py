"""Instruments as PostgreSQL's own bytes, whole columns at a time: no value becomes an object.

Source: postgresql.org/docs/current/sql-copy.html, "Binary Format"; the *send functions give the
same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from shared.wire.instruments import INSTRUMENT_DTYPE

#: Columns as they are stored, in order, with their bytes; a text is as long as it is.
COLUMNS: Final[Mapping[str, str]] = {
    "exchange": "S8",
    "tradingsymbol": "S36",
    "expiry": ">i4",
    "instrument_token": ">i8",
    "underlying_token": ">i8",
    "underlying": "S24",
    "kind": ">i2",
    "strike": ">f8",
    "tick_size": ">f8",
    "lot_size": ">i8",
    "expiry_ns": ">i8",
}
#: What names a contract.
CONTRACT: Final = ("exchange", "tradingsymbol", "expiry")
#: What may change about a contract, in the order of the statements.
TERMS: Final = ("instrument_token", "underlying_token", "tick_size", "lot_size", "expiry_ns")
#: The value of columns that are the dump's, not the contract's.
_VERSION: Final = ">i8"
#: Rows made into bytes at once: a few milliseconds, a few megabytes.
ROWS_PER_PIECE: Final = 8192
COPY_HEAD: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TAIL: Final = b"\xff\xff"

_SENT: Final = {
    ">i2": "string_agg(int2send({0}), ''::bytea)",
    ">i4": "string_agg(int4send({0}), ''::bytea)",
    ">i8": "string_agg(int8send({0}), ''::bytea)",
    ">f8": "string_agg(float8send({0}), ''::bytea)",
    # No text of PostgreSQL's holds a zero.
    "S": r"string_agg(textsend({0}), '\x00'::bytea)",
}


def pieces(rows: int) -> list[slice]:
    """Return what to make into bytes at a time."""
    return [slice(at, at + ROWS_PER_PIECE) for at in range(0, rows, ROWS_PER_PIECE)]


def copied(records: np.ndarray, versions: Mapping[str, int]) -> bytes:
    """Return records of INSTRUMENT_DTYPE as rows of COPY, with columns that are all one number.

    Raises:
        ValueError: an expiry moment that PostgreSQL's bigint does not hold.
    """
    if (records["expiry_ns"] >= 1 << 63).any():
        raise ValueError("expiry_ns is beyond the year 2262")
    kinds = {**COLUMNS, **dict.fromkeys(versions, _VERSION)}
    row = np.dtype(
        [("columns", ">i2")]
        + [each for name, kind in kinds.items() for each in ((f"{name} size", ">i4"), (name, kind))]
    )
    rows = np.zeros(len(records), row)
    rows["columns"] = len(kinds)
    kept = np.ones((len(rows), row.itemsize), bool)
    for name, kind in kinds.items():
        rows[name] = versions[name] if name in versions else records[name]
        rows[f"{name} size"] = width = row[name].itemsize
        if kind[0] == "S":
            rows[f"{name} size"] = sizes = np.strings.str_len(records[name])
            at = row.fields[name][1]  # type: ignore[index]  # it has fields
            kept[:, at : at + width] = np.arange(width) < sizes[:, None]
    return rows.view(np.uint8).reshape(len(rows), -1)[kept].tobytes()


def selected() -> str:
    """Return the columns of a SELECT whose one row `received` reads."""
    return ", ".join(
        f"{_SENT[kind if kind in _SENT else 'S'].format(name)} AS {name}"
        for name, kind in COLUMNS.items()
    )


def received(row: Mapping[str, Any]) -> np.ndarray:
    """Return records of INSTRUMENT_DTYPE, ascending by token, from what `selected` brought.

    Raises:
        ValueError: a text of the table is longer than a record's.
    """
    if not row["kind"]:
        return np.empty(0, INSTRUMENT_DTYPE)
    columns = {name: _column(row[name], kind) for name, kind in COLUMNS.items()}
    order = np.argsort(columns["instrument_token"], kind="stable")
    records = np.zeros(len(order), INSTRUMENT_DTYPE)
    for name, values in columns.items():
        records[name] = values[order]
    return records


def unlike(stored: np.ndarray, records: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which `stored` rows are not in `records`, and which of those are not in `stored`.

    Both are INSTRUMENT_DTYPE, `stored` ascending by token. A row is there if one of the same token
    names the same contract on the same terms; of others somebody else has to say what they are.
    """
    there = np.zeros(len(stored), bool)
    if not len(stored):
        return ~there, np.ones(len(records), bool)
    tokens = records["instrument_token"]
    at = np.searchsorted(stored["instrument_token"], tokens).clip(max=len(stored) - 1)
    known = np.ones(len(records), bool)
    for name in (*CONTRACT, *TERMS):
        known &= stored[name][at] == records[name]
    there[at[known]] = True
    return ~there, ~known


def contracts(records: np.ndarray) -> list[Sequence[Any]]:
    """Return exchanges, symbols, expiries as arguments of a statement."""
    return [
        [text.decode() for text in records[name].tolist()]
        if COLUMNS[name][0] == "S"
        else records[name].tolist()
        for name in CONTRACT
    ]


def _column(data: bytes, kind: str) -> np.ndarray:
    if kind[0] != "S":
        return np.frombuffer(data, kind)
    width = int(kind[1:])
    padded = np.frombuffer(data + bytes(width), np.uint8)
    ends = np.append(np.flatnonzero(padded[: len(data)] == 0), len(data))
    starts = np.append(0, ends[:-1] + 1)
    if (ends - starts).max() > width:
        raise ValueError(f"a text of the table of instruments is longer than {width} bytes")
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)[starts]
    windows *= np.arange(width) < (ends - starts)[:, None]
    found: np.ndarray = windows.view(kind).ravel()
    return found
