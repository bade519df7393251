"""Entries as messages of Kafka, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.streams.kafka_entry import ID_FIELD, Place, place_of, stream_of, to_entry, to_message
from shared.wire.topics import BARS, ENRICHED_TICKS, RAW_TICKS

names = st.sampled_from([b"h", b"s", b"r", b"json"])
PLACE = Place(RAW_TICKS.prefix, 3)


@given(st.dictionaries(names, st.binary(max_size=50), min_size=1))
def test_fields_come_back_as_they_were(fields) -> None:
    value, headers = to_message(fields)
    entry = to_entry(PLACE, 7, 1_795_000_000_000, value, headers)
    assert entry == Entry(RAW_TICKS.name(3), EntryId(1_795_000_000_000, 7), fields)


def test_the_largest_field_is_the_value_without_a_copy_in_the_headers() -> None:
    value, headers = to_message({b"h": b"head", b"s": memoryview(b"segments")})
    assert value == b"segments"
    assert dict(headers) == {"h": b"head", "tickflow.body": b"s"}


def test_an_entry_that_a_bridge_carried_keeps_its_id() -> None:
    value, headers = to_message({b"h": b"1", b"s": b"22", ID_FIELD: b"1795000000000-4"})
    entry = to_entry(PLACE, 99, 1_795_000_009_999, value, headers)
    assert entry.id == EntryId(1_795_000_000_000, 4)
    assert entry.fields == {b"h": b"1", b"s": b"22"}


def test_a_foreign_message_lacks_every_field_of_ours() -> None:
    entry = to_entry(PLACE, 5, 1, b"hello", [])
    assert entry.fields == {b"": b"hello"}


def test_an_offset_beyond_32_bits_still_fits_a_records_lineage() -> None:
    assert to_entry(PLACE, 2**32 + 5, 1, b"", []).id == EntryId(1, 5)


@pytest.mark.parametrize("topic", [RAW_TICKS, ENRICHED_TICKS])
def test_a_stream_of_a_shard_is_a_partition(topic) -> None:
    assert place_of(topic.name(12)) == Place(topic.prefix, 12)
    assert stream_of(topic.prefix, 12) == topic.name(12)


@pytest.mark.parametrize("stream", [BARS.name(1), "ticks.raw.v1", "ticks.raw.v1.x", ""])
def test_other_streams_are_not_carried(stream) -> None:
    with pytest.raises(ValueError, match="not carried"):
        place_of(stream)
