"""Records written as JSON objects, byte for byte as a general encoder writes them.

Only what a market's ticks are made of is written here: whole numbers, and decimals that fifteen
digits say exactly. A record with any other number is left to the general encoder.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.kernels.jit import compiled
from shared.kite.codec.moving import copy_bytes

Bytes = NDArray[np.uint8]
Integers = NDArray[np.int64]

#: Of one number, with its sign and its point, or `null`.
NUMBER_BYTES_MAX: Final = 24
#: Keys ahead of those of the fields: of the sequence, the symbol, the stamp.
KEYS_AHEAD: Final = 3
#: Of a field's width: its values are among the floats, at the place that is its offset.
IS_FLOAT: Final = 0

_BYTE_BITS: Final = 8
_TEN: Final = np.uint64(10)
_ZERO: Final = ord("0")
_POINT: Final = ord(".")
_MINUS: Final = ord("-")
_NULL: Final = np.frombuffer(b"null", np.uint8).copy()
_END: Final = np.frombuffer(b"}", np.uint8).copy()
#: What cannot be written here.
_NOT_HERE: Final = -1
#: Smaller ones have an exponent.
_LEAST: Final = 1e-5
_POWERS: Final = np.array([10**power for power in range(20)], np.uint64)
#: What is tried in turn: so many digits behind the point, for numbers below a bound that leaves
#: fifteen in all. Prices are of two, those of currencies of four.
_DECIMALS: Final = np.array([2, 4, 12, 9, 6, 3, 0])
_BELOW: Final = np.array([1e13, 1e11, 1e3, 1e6, 1e9, 1e12, 1e15])


@compiled
def write_rows(
    records: Bytes,
    sequences: NDArray[np.uint64],
    stamps_us: NDArray[np.uint64],
    slots: Integers,
    symbols: tuple[Bytes, Integers],
    keys: tuple[Bytes, Integers],
    fields: tuple[Integers, Integers],
    floats: NDArray[np.float64],
    places: tuple[Bytes, Integers, Integers],
) -> int:
    """Write a JSON object for each record; return how many were left out, their size being 0.

    `records` are bytes (n, bytes of one). `symbols` are quoted texts end to end, and where each
    slot's begins, and the end of the last. `keys` are what stands ahead of each value, end to end,
    and where each begins. `fields` are widths in bytes and offsets in a record; of width IS_FLOAT
    are those whose values are in `floats` (k, n). `places` are where the objects go, with room for
    the longest, then where each begins and its size.
    """
    out, starts, sizes = places
    widths, offsets = fields
    texts, begins = symbols
    at, left_out = 0, 0
    for row in range(len(records)):
        begin = at
        at = _copy(out, at, keys[0], keys[1][0], keys[1][1])
        at = _whole(out, at, sequences[row])
        at = _copy(out, at, keys[0], keys[1][1], keys[1][2])
        at = _copy(out, at, texts, begins[slots[row]], begins[slots[row] + 1])
        at = _copy(out, at, keys[0], keys[1][2], keys[1][3])
        at = _whole(out, at, stamps_us[row])
        for field in range(len(widths)):
            key = KEYS_AHEAD + field
            at = _copy(out, at, keys[0], keys[1][key], keys[1][key + 1])
            if widths[field] == IS_FLOAT:
                at = _decimal(out, at, floats[offsets[field], row])
            else:
                at = _whole(out, at, _unsigned(records[row], offsets[field], widths[field]))
            if at == _NOT_HERE:
                break
        starts[row] = begin
        if at == _NOT_HERE:
            left_out += 1
            at, sizes[row] = begin, 0
        else:
            at = _copy(out, at, _END, 0, len(_END))
            sizes[row] = at - begin
    return left_out


@compiled
def _copy(out: Bytes, at: int, source: Bytes, begin: int, end: int) -> int:
    """Copy bytes; return where the next ones go."""
    copy_bytes(out, at, source, begin, end - begin)
    return at + end - begin


@compiled
def _unsigned(record: Bytes, offset: int, width: int) -> Any:
    """Read a little-endian number."""
    number = np.uint64(0)
    for place in range(width):
        number |= np.uint64(record[offset + place]) << np.uint64(_BYTE_BITS * place)
    return number


@compiled
def _whole(out: Bytes, at: int, number: Any) -> int:
    """Write a uint64; return where the next byte goes."""
    digits = 1
    while digits < len(_POWERS) and number >= _POWERS[digits]:
        digits += 1
    for place in range(np.uintp(digits)):
        out[np.uintp(at + digits - 1) - place] = _ZERO + np.int64(number % _TEN)
        number //= _TEN
    return at + digits


@compiled
def _decimal(out: Bytes, at: int, number: float) -> int:
    """Write a float as its shortest decimal; return where the next byte goes, or _NOT_HERE.

    A decimal of at most fifteen digits that reads as the very number is the shortest there is: no
    two of them are one double.
    """
    if not np.isfinite(number):
        return _copy(out, at, _NULL, 0, len(_NULL))
    if number < 0 or (number == 0 and np.signbit(number)):
        out[at] = _MINUS
        at += 1
        number = -number
    if 0 < number < _LEAST:
        return _NOT_HERE
    for attempt in range(len(_DECIMALS)):
        if number < _BELOW[attempt]:
            decimals = _DECIMALS[attempt]
            scale = np.float64(_POWERS[decimals])
            units = np.rint(number * scale)
            # Whole numbers and powers of ten this small are exact, so the quotient is the double
            # nearest to the decimal.
            if units / scale == number:
                return _digits(out, at, np.uint64(units), decimals)
    return _NOT_HERE


@compiled
def _digits(out: Bytes, at: int, units: Any, decimals: int) -> int:
    """Write units of 10 to the power of -`decimals`, without zeros at the end but one."""
    whole, part = units // _POWERS[decimals], units % _POWERS[decimals]
    at = _whole(out, at, whole)
    out[at] = _POINT
    at += 1
    while decimals > 1 and part % _TEN == 0:
        part //= _TEN
        decimals -= 1
    for place in range(at + max(decimals, 1) - 1, at - 1, -1):
        out[place] = _ZERO + np.int64(part % _TEN)
        part //= _TEN
    return at + max(decimals, 1)
