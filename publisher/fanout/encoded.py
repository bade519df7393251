"""Payloads as they were encoded: one piece of memory, and where each of them lies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]


class Encoded(NamedTuple):
    """Arrays of which none is read-only: compiled code is made for one kind.

    Payload p is `blob[starts[p]:][:sizes[p]]`; one of no bytes has not been made.
    """

    blob: Bytes
    starts: Places
    sizes: Places

    def payloads(self) -> list[bytes]:
        """Return each as bytes of its own."""
        blob, ends = self.blob.data, (self.starts + self.sizes).tolist()
        return [
            bytes(blob[begin:end]) for begin, end in zip(self.starts.tolist(), ends, strict=True)
        ]


def of_lines(lines: bytes) -> Encoded:
    """Return payloads that a line feed ends each, none of which has one inside."""
    blob = np.frombuffer(lines, np.uint8).copy()
    ends = np.flatnonzero(blob == ord("\n"))
    starts = np.zeros(len(ends), np.int64)
    starts[1:] = ends[:-1] + 1
    return Encoded(blob, starts, ends - starts)


def of_parts(parts: Sequence[bytes]) -> Encoded:
    """Return payloads that were made one by one."""
    sizes = np.fromiter(map(len, parts), np.int64, len(parts))
    return _end_to_end(b"".join(parts), sizes)


def of_rows(rows: NDArray[np.void]) -> Encoded:
    """Return payloads that are of one size."""
    return _end_to_end(rows.tobytes(), np.full(len(rows), rows.dtype.itemsize, np.int64))


def _end_to_end(body: bytes, sizes: Places) -> Encoded:
    return Encoded(np.frombuffer(body, np.uint8).copy(), np.cumsum(sizes) - sizes, sizes)


def nothing_of(rows: int) -> Encoded:
    """Return payloads of so many rows of which none has been made."""
    return Encoded(np.empty(0, np.uint8), np.zeros(rows, np.int64), np.zeros(rows, np.int64))


def with_more(known: Encoded, rows: Places, more: Encoded) -> Encoded:
    """Return what is known with these rows made as well."""
    if len(more.sizes) == len(known.sizes):
        return more
    starts, sizes = known.starts.copy(), known.sizes.copy()
    starts[rows], sizes[rows] = more.starts + len(known.blob), more.sizes
    blob = more.blob if not len(known.blob) else np.concatenate([known.blob, more.blob])
    return Encoded(blob, starts, sizes)


def with_room(known: Encoded, rows: int) -> Encoded:
    """Return what is known as the first of so many rows."""
    more = rows - len(known.sizes)
    if not more:
        return known
    nothing = np.zeros(more, np.int64)
    return Encoded(known.blob, np.append(known.starts, nothing), np.append(known.sizes, nothing))
