"""Records as JSON objects or msgpack arrays, one encoder per mode."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from publisher.fanout.encoded import Encoded, of_lines, of_parts, with_more
from publisher.fanout.kernels import json_rows
from publisher.fanout.latest import Sequences, Slots, pick
from publisher.fanout.names import Names
from shared.wire.ticks import TICK

#: From records, their sequences, their slots, the slots' names to one payload each.
Encode = Callable[[NDArray[np.void], Sequences, Slots, Names], Encoded]

#: A 32-bit float has seven digits; the rest of its decimal form is noise and bandwidth.
_SINGLE_DIGITS = 7
_SINGLE = "<f4"
_DOUBLE = "<f8"
_STAMP = "received_at_ns"
_NS_PER_US = 1000
#: Ahead of the fields of a row.
_AHEAD = ("sequence", "tradingsymbol", "received_at_us")


class _Columns:
    """Reads some fields of records, named as in the layout, a column at a time.

    Ahead of them stands `received_at_us` (the layout's `received_at_ns`, which a JSON reader could
    not hold). Then come fields that are no singles, then the singles, each in the layout's order.
    """

    def __init__(self, names: Sequence[str]) -> None:
        chosen = [field for field in TICK.fields if field.name in {_STAMP, *names}]
        assert len(chosen) == len({_STAMP, *names}), f"not all are fields of a tick: {names}"
        plain = [field.name for field in chosen if field.kind != _SINGLE]
        self._plain = [name for name in plain if name != _STAMP]
        self.singles = [field.name for field in chosen if field.kind == _SINGLE]
        self.doubles = [field.name for field in chosen if field.kind == _DOUBLE]
        self.names = (*self._plain, *self.singles)

    def __call__(self, records: NDArray[np.void]) -> list[list[Any]]:
        """Give the stamps in microseconds, then each field's values."""
        columns = [(records[_STAMP] // _NS_PER_US).tolist()]
        columns += [records[name].tolist() for name in self._plain]
        if self.singles:
            columns += self._short_singles(records)
        return columns

    def _short_singles(self, records: NDArray[np.void]) -> list[list[float]]:
        wide = np.empty((len(self.singles), len(records)))
        for row, name in enumerate(self.singles):
            wide[row] = records[name]
        shortened: list[list[float]] = shorten(wide).tolist()
        return shortened


class JsonEncoder:
    """Encodes some fields of a record as one JSON object; NaN becomes null."""

    def __init__(self, names: Sequence[str]) -> None:
        self._columns = _Columns(names)
        members = (*_AHEAD, *self._columns.names)
        self._row: Any = msgspec.defstruct("Row", [(name, Any) for name in members], gc=False)
        self._encode = msgspec.json.Encoder().encode_lines

    def __call__(
        self, records: NDArray[np.void], sequences: Sequences, slots: Slots, names: Names
    ) -> Encoded:
        """Return one JSON object per record, in their order."""
        rows = map(self._row, sequences.tolist(), names.of(slots), *self._columns(records))
        # JSON has no line feed but between the lines; written at once they cost half.
        return of_lines(self._encode(list(rows)))


class DecimalJsonEncoder:
    """Encodes what JsonEncoder does, the same bytes, for a tenth of the time.

    Of every field but depth; a record with a number that is no short decimal costs as much as
    there. A calculated double nearly always is such a one.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._general = JsonEncoder(names)
        columns = _Columns(names)
        self._doubles = columns.doubles
        self._singles = columns.singles
        floats = [*self._doubles, *self._singles]
        keys = [f',"{name}":'.encode() for name in (*_AHEAD, *columns.names)]
        keys[0] = b"{" + keys[0][1:]
        self._keys = np.frombuffer(b"".join(keys), np.uint8).copy(), _bounds(keys)
        fields: Any = TICK.dtype.fields
        self._fields = (
            np.array(
                [
                    json_rows.IS_FLOAT if name in floats else fields[name][0].itemsize
                    for name in columns.names
                ],
                np.int64,
            ),
            np.array(
                [
                    floats.index(name) if name in floats else fields[name][1]
                    for name in columns.names
                ],
                np.int64,
            ),
        )
        self._row_bytes = sum(map(len, keys)) + len(keys) * json_rows.NUMBER_BYTES_MAX

    def __call__(
        self, records: NDArray[np.void], sequences: Sequences, slots: Slots, names: Names
    ) -> Encoded:
        """Return one JSON object per record, in their order."""
        count, (texts, begins) = len(records), names.quoted()
        symbol_bytes = int((begins[slots + 1] - begins[slots]).sum())
        made = Encoded(
            np.empty(count * self._row_bytes + symbol_bytes, np.uint8),
            np.empty(count, np.int64),
            np.empty(count, np.int64),
        )
        left_out = json_rows.write_rows(
            records.view(np.uint8).reshape(-1, records.dtype.itemsize),
            sequences,
            records[_STAMP] // _NS_PER_US,
            slots,
            (texts, begins),
            self._keys,
            self._fields,
            self._floats(records),
            (made.blob, made.starts, made.sizes),
        )
        if not left_out:
            return made
        rows = np.flatnonzero(made.sizes == 0)
        more = self._general(pick(records, rows), sequences[rows], slots[rows], names)
        return with_more(made, rows, more)

    def _floats(self, records: NDArray[np.void]) -> NDArray[np.float64]:
        plain = len(self._doubles)
        wide = np.empty((plain + len(self._singles), len(records)))
        for row, name in enumerate((*self._doubles, *self._singles)):
            wide[row] = records[name]
        if self._singles:
            wide[plain:] = shorten(wide[plain:])
        return wide


def _bounds(parts: Sequence[bytes]) -> NDArray[np.int64]:
    """Return where each part begins, and where the last one ends."""
    return np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)


class MsgpackEncoder:
    """Encodes some fields of a record as one msgpack array, NaN staying NaN.

    Its first element is the number of the mode, which says what the others are: `columns`.
    """

    def __init__(self, names: Sequence[str], mode: int) -> None:
        self._columns = _Columns(names)
        self._mode = mode
        self.columns = (
            "mode_number", "sequence", "tradingsymbol", "received_at_us", *self._columns.names,
        )  # fmt: skip
        self._encode = msgspec.msgpack.Encoder().encode

    def __call__(
        self, records: NDArray[np.void], sequences: Sequences, slots: Slots, names: Names
    ) -> Encoded:
        """Return one array per record, in their order."""
        modes, symbols = itertools.repeat(self._mode, len(records)), names.of(slots)
        rows = zip(modes, sequences.tolist(), symbols, *self._columns(records), strict=True)
        return of_parts(list(map(self._encode, rows)))


def shorten(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the numbers with seven significant digits, as a 32-bit float has them."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        digits = _SINGLE_DIGITS - 1 - np.floor(np.log10(np.abs(numbers)))
        scale = 10.0 ** np.clip(digits, 0, None)
        short: NDArray[np.float64] = np.round(numbers * scale) / scale
    return np.where(np.isfinite(short), short, numbers)
