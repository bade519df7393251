"""Rates and dividend yields as rows of a file: which row holds when, what a bad row is told."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.chain import ChainOptions
from enrich.engine import Derived, Engine, Lineage
from enrich.history_plan import day_range, windows
from enrich.parameters import Parameters
from enrich.rates import Dated, parse, with_rates
from enrich.settings import EnrichOptions
from shared.errors import SettingsError
from shared.store.candles import Range
from shared.wire.instruments import Kind
from shared.wire.ticks import ForwardSource
from tests.support.kite_market import (
    DAY_S,
    EXPIRY_S,
    NOW_S,
    YEAR_S,
    header,
    index_packet,
    instruments,
    option,
    packet,
    segments,
)

ROOT = Path(__file__).parents[3]
CALL = option(Kind.CALL, 24_000.0)
#: Midnight in India before NOW_S, and the days round it.
TODAY = (NOW_S + 19_800) // DAY_S
MIDNIGHT_S = TODAY * DAY_S - 19_800


def on(day: int) -> str:
    return date.fromordinal(date(1970, 1, 1).toordinal() + day).isoformat()


def row(number: int, day: int, rate: float, dividend: float, underlying: str = "*") -> str:
    return (
        f'[[rates]]\nid = {number}\nunderlying = "{underlying}"\nfrom = {on(day)}\n'
        f'rate = {rate}\ndividend_yield = {dividend}\nsource = "a test"\n'
    )


def dated(*rows: str, **options: object) -> Dated:
    return Dated(id=1, **options, rows=parse("".join(rows).encode(), "rates.toml", taken=1))


PARAMETERS = dated(
    row(11, TODAY - 30, 0.06, 0.01),
    row(12, TODAY, 0.07, 0.02, "NIFTY"),
    row(13, TODAY + 1, 0.08, 0.0, "NIFTY"),
    row(14, TODAY + 1, 0.05, 0.0),
)


@pytest.mark.parametrize(
    ("underlying", "day", "terms"),
    [
        ("NIFTY", TODAY - 31, (0.054, 0.012, 1)),
        ("NIFTY", TODAY - 30, (0.06, 0.01, 11)),
        ("NIFTY", TODAY - 1, (0.06, 0.01, 11)),
        ("NIFTY", TODAY, (0.07, 0.02, 12)),
        ("NIFTY", TODAY + 400, (0.08, 0.0, 13)),
        ("INFY", TODAY, (0.06, 0.01, 11)),
        ("INFY", TODAY + 1, (0.05, 0.0, 14)),
    ],
)
def test_underlyings_newest_row_holds_then_every_ones_then_the_settings(
    underlying: str, day: int, terms: tuple[float, float, int]
) -> None:
    assert PARAMETERS.terms(underlying, day) == terms
    plain = PARAMETERS.of(underlying, day)
    assert (plain.rate, plain.dividend_yield, plain.id) == terms
    assert (plain.changes, plain.terms("ANY", 0)) == ((), terms)


def test_carry_of_the_settings_holds_where_no_row_does() -> None:
    parameters = dated(row(11, TODAY, 0.06, 0.01), carry=("NIFTY=0.09/0.03",))
    assert parameters.terms("NIFTY", TODAY - 1) == (0.09, 0.03, 1)
    assert parameters.terms("NIFTY", TODAY) == (0.06, 0.01, 11)


def spot_only(at_s: float) -> bytes:
    """Return the index, then one call: its forward is spot and carry, so rates show in it."""
    stamp_s = int(at_s)
    return segments(
        [index_packet(24_000.0, stamp_s)],
        [packet(CALL, 150.0, stamp_s=stamp_s)],
        at_ns=round(at_s * 1e9),
    )


def test_record_is_priced_by_the_row_of_its_own_day_whose_id_it_carries() -> None:
    made = Engine(instruments(), 7, PARAMETERS)
    for at_s, rate, dividend, number in (
        (MIDNIGHT_S - 3_600, 0.06, 0.01, 11),
        (MIDNIGHT_S + 36_000, 0.07, 0.02, 12),
        (MIDNIGHT_S + DAY_S + 36_000, 0.08, 0.0, 13),
        (MIDNIGHT_S + 39_600, 0.07, 0.02, 12),  # as a tape that is played again
    ):
        records, _ = made.enrich(header(2), spot_only(at_s), Lineage(1, 2, 9))
        of_option = records[records["instrument_token"] == CALL]
        years = (EXPIRY_S[0] - int(at_s)) / YEAR_S
        assert of_option["forward_source"].tolist() == [ForwardSource.SPOT_CARRY]
        assert of_option["parameters_id"].tolist() == [number]
        forward = 24_000.0 * math.exp((rate - dividend) * years)
        assert of_option["forward"].tolist() == pytest.approx([forward], rel=1e-13)
        delta_bound = math.exp(-rate * years)
        assert 0.0 < float(of_option["delta"][0]) < delta_bound


def test_chain_names_the_row_it_was_priced_with() -> None:
    made = Engine(instruments(), 7, PARAMETERS, Derived(ChainOptions()))
    at_s = MIDNIGHT_S + 36_000
    raw = b"".join(spot_only(at_s + each) for each in (0, 2, 4))
    made.enrich(header(6), raw, Lineage(1, 2, 9))
    assert {(chain.parameters_id, chain.figures.rate) for chain in made.chains()} == {(12, 0.07)}


@given(st.sets(st.integers(1, 9), max_size=4))
@settings(max_examples=25)
def test_records_over_midnight_do_not_depend_on_how_the_tape_was_cut(cuts: set[int]) -> None:
    tape = [spot_only(MIDNIGHT_S + 0.5 * (each - 5)) for each in range(10)]
    derived = Derived(ChainOptions())
    whole = Engine(instruments(), 7, PARAMETERS, derived)
    expected = whole.enrich(header(500), b"".join(tape), Lineage(1, 2, 9))[0].copy()
    parts, found, chains, begin = Engine(instruments(), 7, PARAMETERS, derived), [], [], 0
    for cut in [*sorted(cuts), len(tape)]:
        raw = b"".join(tape[begin:cut])
        found.append(parts.enrich(header(500), raw, Lineage(1, 2, 9))[0].copy())
        chains += parts.chains()
        begin = cut
    together = np.concatenate(found)
    together["raw_packet_index"] = expected["raw_packet_index"]
    assert together.tobytes() == expected.tobytes()
    assert set(expected["parameters_id"].tolist()) == {1, 11, 12}
    assert chains == whole.chains()


def test_packets_are_counted_on_over_midnight() -> None:
    made = Engine(instruments(), 7, PARAMETERS)
    raw = spot_only(MIDNIGHT_S - 1) + spot_only(MIDNIGHT_S)
    records, _ = made.enrich(header(4), raw, Lineage(1, 2, 9))
    assert records["raw_packet_index"].tolist() == [0, 1, 2, 3]


def test_past_days_are_priced_by_the_rows_that_held_then() -> None:
    span = day_range(on(TODAY - 2), on(TODAY + 3))
    parts = list(windows(PARAMETERS.changes, span))
    assert [day for day, _ in parts] == [TODAY - 2, TODAY, TODAY + 1]
    assert [part.from_s for _, part in parts] == [span.from_s, MIDNIGHT_S, MIDNIGHT_S + DAY_S]
    assert parts[-1][1].until_s == span.until_s
    assert [PARAMETERS.of("NIFTY", day).id for day, _ in parts] == [11, 12, 13]
    assert list(windows((), Range(5, 9))) == [((5 + 19_800) // DAY_S, Range(5, 9))]


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ("x", "rates.toml is no TOML"),
        ("", r"must hold 1 to 10000 tables \[\[rates\]\] and nothing else"),
        ("rate = 1\n" + row(2, TODAY, 0.06, 0.0), "and nothing else"),
        (row(2, TODAY, 6.5, 0.0), r"row 1: .*<= 1\.0.*rate.*; rate is 6\.5"),
        (row(2, TODAY, 0.06, 0) + row(3, TODAY, 0.06, -2), r"row 2: .*; dividend_yield is -2"),
        (row(2, TODAY, 0.06, 0).replace("rate = 0.06\n", ""), "row 1: .*missing required.*rate"),
        (row(2, TODAY, 0.06, 0).replace("a test", ""), r"row 1: .*length >= 1.*; source is ''"),
        (row(0, TODAY, 0.06, 0), "row 1: .*>= 1.*; id is 0"),
        (row(2, TODAY, 0.06, 0) + "note = 1\n", "row 1: .*unknown field `note`; note is 1"),
        (row(1, TODAY, 0.06, 0), r"row 1: id 1 must be unique: so is pricing\.id"),
        (row(2, TODAY, 0.06, 0) + row(2, 9, 0.06, 0), "row 2: id 2 must be unique: so is row 1"),
        (row(2, 9, 0.06, 0) + row(3, 9, 0.05, 0), r"row 2: \* from 1970-01-10 must be unique"),
    ],
)
def test_bad_row_is_told_by_its_number_field_value_and_rule(body: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        parse(body.encode(), "rates.toml", taken=1)


def test_options_take_the_rows_of_the_file_they_name(tmp_path: Path) -> None:
    path = tmp_path / "rates.toml"
    path.write_text(row(11, TODAY, 0.06, 0.01))
    options = EnrichOptions(pricing=Parameters(rates_file=str(path), price_input="last"))
    pricing = with_rates(options).pricing
    assert pricing.terms("NIFTY", TODAY) == (0.06, 0.01, 11)
    assert pricing.price_input == "last"
    plain = EnrichOptions()
    assert with_rates(plain) is plain
    missing = msgspec.structs.replace(options, pricing=Parameters(rates_file="/none/rates.toml"))
    with pytest.raises(SettingsError, match=r"rates_file /none/rates\.toml: No such file"):
        with_rates(missing)


def test_example_of_the_documentation_is_a_file_of_rates() -> None:
    path = ROOT / "docs/examples/rates.toml"
    rows = parse(path.read_bytes(), path.name, taken=1)
    assert [(each.id, each.underlying) for each in rows] == [(101, "*"), (102, "RELIANCE")]
