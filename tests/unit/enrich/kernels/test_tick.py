from __future__ import annotations

import math

import numpy as np
import pytest

from enrich.kernels import tick
from enrich.kernels.forward import SOURCE_FUTURE, SOURCE_NONE, SOURCE_PARITY
from enrich.kernels.state import GROUP_STATE, INSTRUMENT_STATE, LINEAGE, PARAMETERS
from shared.wire.instruments import Kind
from shared.wire.ticks import TICK_DTYPE, Flag, Status, TickFlag

NOW_NS = 10**18
DAY_NS = 86_400 * 10**9
UNDERLYING, OPTION = 0, 1


class Option:
    """An option that ticks, with its group and its underlying."""

    def __init__(self, kind: Kind = Kind.CALL) -> None:
        self.states = np.zeros(2, INSTRUMENT_STATE)
        self.groups = np.zeros(1, GROUP_STATE)
        self.records = np.zeros(1, TICK_DTYPE)
        self.parameters = np.zeros(1, PARAMETERS)
        self.parameters["expiry_window_ns"] = 1_800 * 10**9
        self.parameters["underlying_age_max_ns"] = 2 * 10**9
        self.parameters["spread_floor"], self.parameters["prefer_mid"] = 0.1, 1
        self.states["underlying"], self.states["kind"][OPTION] = UNDERLYING, kind
        self.states["strike"], self.states["price"] = 24_000.0, 150.0
        self.states["received_at_ns"] = NOW_NS
        self.states["last_price"][UNDERLYING] = 24_010.0
        self.group["source"], self.group["forward"] = SOURCE_PARITY, 24_100.0
        self.group["rate"], self.group["age_ms"] = 0.05, 40
        tick.clear_results(self.record)
        self.record["received_at_ns"], self.record["price"] = NOW_NS, 150.0

    @property
    def group(self) -> np.void:
        return self.groups[0]

    @property
    def record(self) -> np.void:
        return self.records[0]

    def prepare(self, remaining_ns: int = 2 * DAY_NS) -> bool:
        years = tick.prepare_option(
            self.record,
            self.states[OPTION],
            self.group,
            self.states,
            remaining_ns,
            self.parameters[0],
        )
        return years >= 0.0

    def follow(self, order: int = 5) -> np.void:
        tick.follow(self.record, self.states[OPTION], order, self.parameters[0])
        return self.states[OPTION]


def test_option_with_all_inputs_can_be_solved() -> None:
    option = Option()
    assert option.prepare()
    record = option.record
    discount = math.exp(-0.05 * 2 / 365)
    assert record["time_to_expiry"] == pytest.approx(2 / 365)
    assert (record["forward"], record["forward_source"]) == (24_100.0, SOURCE_PARITY)
    assert (record["forward_age_ms"], record["underlying_price"]) == (40, 24_010.0)
    assert record["intrinsic_value"] == pytest.approx(100.0 * discount, rel=1e-6)
    assert record["time_value"] == pytest.approx(150.0 - 100.0 * discount, rel=1e-6)
    assert record["flags"] == 0


def test_put_above_its_strike_has_no_intrinsic_value() -> None:
    option = Option(Kind.PUT)
    assert option.prepare()
    assert (option.record["intrinsic_value"], option.record["time_value"]) == (0.0, 150.0)


@pytest.mark.parametrize("remaining_ns", [0, -1])
def test_option_at_or_after_its_expiry_is_expired(remaining_ns: int) -> None:
    option = Option()
    assert not option.prepare(remaining_ns)
    assert option.record["status"] == Status.EXPIRED
    assert option.record["time_to_expiry"] == 0.0
    assert np.isnan(option.record["forward"])


def test_last_half_hour_is_flagged() -> None:
    for remaining_s, flagged in ((1_801, 0), (1_800, Flag.EXPIRY_WINDOW)):
        option = Option()
        assert option.prepare(remaining_s * 10**9)
        assert option.record["flags"] == flagged


def test_option_without_a_forward_has_no_underlying() -> None:
    option = Option()
    option.group["source"] = SOURCE_NONE
    assert not option.prepare()
    assert option.record["status"] == Status.NO_UNDERLYING


def test_option_without_a_price_says_so_with_its_forward() -> None:
    option = Option()
    option.record["price"] = math.nan
    assert not option.prepare()
    assert option.record["status"] == Status.NO_PRICE
    assert option.record["forward"] == 24_100.0


def test_stale_reference_is_flagged_unless_parity_holds() -> None:
    for source, flagged in ((SOURCE_FUTURE, Flag.UNDERLYING_STALE), (SOURCE_PARITY, 0)):
        option = Option()
        option.group["source"] = source
        option.states["received_at_ns"][UNDERLYING] -= 2 * 10**9 + 1
        assert option.prepare()
        assert option.record["flags"] == flagged


def test_underlying_that_is_not_listed_leaves_its_price_missing() -> None:
    option = Option()
    option.states["underlying"][OPTION] = -1
    assert option.prepare()
    assert np.isnan(option.record["underlying_price"])


def test_cleared_record_has_no_result_and_no_reason_to_have_one() -> None:
    record = Option().record
    tick.clear_results(record)
    assert record["status"] == Status.NOT_AN_OPTION
    results = ("price", "forward", "implied_vol", "delta", "charm", "time_value", "iv_tick")
    assert all(np.isnan(record[name]) for name in results)


def test_followed_option_remembers_price_book_and_order() -> None:
    option = Option()
    option.record["bid_price"][0], option.record["ask_price"][0] = 99.95, 100.0
    option.record["last_price"] = 90.0
    state = option.follow(order=5)
    assert (state["price"], state["last_price"], state["sane"]) == (99.975, 90.0, 1)
    assert (state["order"], state["spread"]) == (5, pytest.approx(0.05))
    assert option.record["price"] == 99.975


def test_option_without_book_or_trade_has_a_missing_price() -> None:
    option = Option()
    state = option.follow()
    assert np.isnan(option.record["price"])
    assert (state["price"], state["sane"], state["spread"]) == (0.0, 0, 0.0)


def test_underlying_that_ticks_without_moving_keeps_its_order() -> None:
    option = Option(Kind.INDEX)
    option.record["last_price"] = 24_000.0
    assert option.follow(order=5)["order"] == 5
    assert option.follow(order=6)["order"] == 5
    option.record["last_price"] = 24_000.5
    assert option.follow(order=7)["order"] == 7


def test_repeat_and_older_time_are_told_apart_by_their_flags() -> None:
    option = Option()
    option.record["exchange_timestamp_s"], option.record["last_price"] = 100, 5.0
    option.follow()
    assert option.record["tick_flags"] == 0
    option.follow()
    assert option.record["tick_flags"] == TickFlag.REPEATED
    tick.clear_results(option.record)
    option.record["exchange_timestamp_s"] = 99
    state = option.follow()
    assert option.record["tick_flags"] == TickFlag.TIME_BACKWARDS
    assert state["exchange_timestamp_s"] == 100


def test_tick_without_an_exchange_time_is_neither() -> None:
    option = Option()
    option.record["last_price"] = 5.0
    option.follow()
    option.follow()
    assert option.record["tick_flags"] == 0


def test_lineage_is_written_as_it_is() -> None:
    lineage = np.zeros(1, LINEAGE)
    lineage["raw_entry_ms"], lineage["fence"], lineage["parameters_id"] = 2**40, 2**31, 4
    record = Option().record
    tick.write_lineage(record, np.int64(77), 3, lineage[0])
    assert (record["received_at_ns"], record["raw_packet_index"]) == (77, 3)
    assert (record["raw_entry_ms"], record["fence"], record["parameters_id"]) == (2**40, 2**31, 4)


def test_codes_are_those_of_the_wire() -> None:
    assert (tick.REPEATED, tick.TIME_BACKWARDS) == (TickFlag.REPEATED, TickFlag.TIME_BACKWARDS)
    assert tick.CALL == Kind.CALL
