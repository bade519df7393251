"""Entries are batches or refused with a reason."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.feeds.batches import Fences, decode_batch
from shared.errors import MessageError
from shared.wire.ticks import BATCH_HEADER_DTYPE
from tests.support.publisher_rows import batch, rows


def test_a_batch_is_read_as_it_was_written() -> None:
    records = rows((1, 2.0), (3, 4.0))
    read = decode_batch(batch(records, shard=5, fence=7))
    assert (read.shard, read.fence) == (5, 7)
    assert read.records.tobytes() == records.tobytes()


@pytest.mark.parametrize(
    ("field", "value"), [("records", 3), ("layout_version", 2), ("record_bytes", 400)]
)
def test_a_header_that_disagrees_is_refused(field: str, value: int) -> None:
    fields = batch(rows((1, 2.0), (3, 4.0)))
    header = np.frombuffer(fields[b"h"], BATCH_HEADER_DTYPE).copy()
    header[field] = value
    with pytest.raises(MessageError):
        decode_batch({**fields, b"h": header.tobytes()})


@given(st.dictionaries(st.sampled_from([b"h", b"r", b"json"]), st.binary(max_size=100), max_size=3))
def test_any_fields_are_a_batch_or_a_message_error(fields: dict) -> None:
    try:
        decode_batch(fields)
    except MessageError:
        return
    assert len(fields[b"h"]) == BATCH_HEADER_DTYPE.itemsize


def test_a_lower_fence_is_refused_per_shard() -> None:
    fences = Fences()
    assert fences.admit(0, 5)
    assert not fences.admit(0, 4)
    assert fences.admit(0, 5)
    assert fences.admit(1, 1)
    fences.forget()
    assert fences.admit(0, 1)
