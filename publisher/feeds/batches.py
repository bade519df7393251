"""Entries of enriched ticks, or of bars, read as records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared.errors import MessageError
from shared.wire.layout import Layout
from shared.wire.ticks import BATCH_HEADER_DTYPE, TICK

HEADER_FIELD = b"h"
RECORDS_FIELD = b"r"


class Batch(NamedTuple):
    """One entry: who wrote it, its records in their layout, read-only."""

    shard: int
    fence: int
    records: NDArray[np.void]


def decode_batch(fields: Mapping[bytes, bytes], layout: Layout = TICK) -> Batch:
    """Return the batch of an entry of `ticks.enriched.v1`, or `bars.v1`, its records not copied.

    Raises:
        MessageError: a field is missing, or the sizes or the layout's version do not agree.
    """
    header_bytes, body = fields.get(HEADER_FIELD), fields.get(RECORDS_FIELD)
    if header_bytes is None or body is None:
        raise MessageError("batch has no field `h` or no field `r`")
    if len(header_bytes) != BATCH_HEADER_DTYPE.itemsize:
        raise MessageError(
            f"batch header is {len(header_bytes)} bytes, not {BATCH_HEADER_DTYPE.itemsize}"
        )
    _, records, fence, shard, version, record_bytes = np.frombuffer(
        header_bytes, BATCH_HEADER_DTYPE
    ).item()
    if version != layout.version or record_bytes != layout.dtype.itemsize:
        raise MessageError(
            f"batch is of {layout.name} layout {version} with {record_bytes} bytes a record, "
            f"not {layout.version} with {layout.dtype.itemsize}"
        )
    if len(body) != records * record_bytes:
        raise MessageError(f"batch of {records} records has {len(body)} bytes of them")
    return Batch(shard, fence, np.frombuffer(body, layout.dtype))


class Fences:
    """The highest fencing number seen of each shard: a lower one comes from a former owner."""

    def __init__(self) -> None:
        self._highest: dict[int, int] = {}

    def admit(self, shard: int, fence: int) -> bool:
        """Tell whether a batch with this number may be used, remembering it if so."""
        if fence < self._highest.get(shard, 0):
            return False
        self._highest[shard] = fence
        return True

    def forget(self) -> None:
        """Begin anew: a Redis that lost its memory counts its fences from 1 again."""
        self._highest.clear()
