"""Records become JSON that a browser can hold."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.fanout.dialects import JSON
from publisher.fanout.encoding import DecimalJsonEncoder, JsonEncoder, shorten
from publisher.protocol.modes import DECIMAL_MODES, MODE_FIELDS, MODES
from shared.wire.ticks import TICK, TICK_DTYPE
from tests.support.publisher_rows import full_row, named, rows


def encoded(records: np.ndarray, mode: str) -> list[dict]:
    encoder = JSON.encoders[MODES.index(mode)]
    sequences = np.arange(1, len(records) + 1, dtype=np.uint64)
    made = encoder(records, sequences, np.zeros(len(records), np.int64), named("SYM"))
    return [json.loads(each) for each in made.payloads()]


@pytest.mark.parametrize("mode", MODES)
def test_a_row_has_the_fields_of_its_mode_with_the_values_of_the_record(mode: str) -> None:
    record = full_row()
    (row,) = encoded(record, mode)
    assert row.pop("sequence") == 1
    assert row.pop("tradingsymbol") == "SYM"
    assert row.pop("received_at_us") == 1_764_000_000_123_456
    assert set(row) == set(MODE_FIELDS[mode])
    for name, value in row.items():
        assert np.allclose(value, record[name][0], rtol=1e-6), name


def test_full_mode_leaves_out_no_field_of_the_layout() -> None:
    assert {"received_at_ns", *MODE_FIELDS["full"]} == {field.name for field in TICK.fields}


def test_a_missing_number_is_null_alone_or_in_depth() -> None:
    (row,) = encoded(rows((1, 100.5)), "full")
    assert row["last_price"] == 100.5
    assert row["delta"] is None
    assert row["implied_vol"] is None
    assert row["bid_price"] == [None] * 5


def test_no_integer_is_above_what_a_json_reader_holds() -> None:
    record = np.frombuffer(b"\xff" * TICK_DTYPE.itemsize, TICK_DTYPE).copy()
    record["received_at_ns"] = 2**62
    record["raw_entry_ms"] = 2**45
    (row,) = encoded(record, "full")
    integers = [v for value in row.values() for v in np.atleast_1d(np.array(value, object))]
    assert all(v <= 2**53 for v in integers if isinstance(v, int))


@pytest.mark.parametrize("mode", MODES)
def test_of_no_records_there_is_nothing(mode: str) -> None:
    assert encoded(rows(), mode) == []


def test_an_infinite_number_is_null() -> None:
    record = rows((1, np.inf))
    record["delta"] = -np.inf
    (row,) = encoded(record, "greeks")
    assert row["last_price"] is None
    assert row["delta"] is None


def test_a_single_is_as_short_as_it_was_precise() -> None:
    record = rows((1, 1.0))
    record["delta"] = 0.5123
    encoder = JSON.encoders[MODES.index("greeks")]
    made = encoder(record, np.ones(1, np.uint64), np.zeros(1, np.int64), named("S"))
    (payload,) = made.payloads()
    assert b'"delta":0.5123,' in payload


@given(st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_shortening_stays_within_a_singles_precision(numbers: list[float]) -> None:
    exact = np.array(numbers)
    short = shorten(exact)
    np.testing.assert_array_equal(np.isnan(exact), np.isnan(short))
    finite = np.isfinite(exact)
    np.testing.assert_array_equal(
        exact[~finite & ~np.isnan(exact)], short[~finite & ~np.isnan(exact)]
    )
    assert np.all(np.abs(short[finite] - exact[finite]) <= 6e-7 * np.abs(exact[finite]))


numbers = st.one_of(
    st.integers(-(10**9), 10**9).map(lambda paise: paise / 100),
    st.integers(0, 10**15).map(lambda units: units / 10**7),
    st.floats(),
    st.sampled_from([0.0, -0.0, 1e-5, 9.99e-6, 999.9999, 1e3, 1e6, 99999999.99, 1e15, 1e16]),
)


@pytest.mark.parametrize("mode", sorted(DECIMAL_MODES))
@given(values=st.lists(st.lists(numbers, min_size=8, max_size=8), min_size=1, max_size=6))
def test_compiled_rows_are_the_bytes_of_the_general_encoder(mode: str, values: list) -> None:
    names = MODE_FIELDS[mode]
    records = np.frombuffer(np.random.default_rng(1).bytes(len(values) * 392), TICK_DTYPE).copy()
    floats = [name for name in names if TICK_DTYPE[name].kind == "f"]
    with np.errstate(over="ignore"):
        for name, column in zip(floats, np.array(values).T, strict=False):
            records[name] = column
    sequences = np.arange(len(values), dtype=np.uint64) * 10**17
    slots = np.arange(len(values)) % 3
    told = records, sequences, slots, named('M&M "x"', slots=3)
    assert DecimalJsonEncoder(names)(*told).payloads() == JsonEncoder(names)(*told).payloads()
