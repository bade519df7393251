from __future__ import annotations

from datetime import date, time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.dump import check, differences, due
from shared.errors import MessageError
from shared.market.calendar import moment_ns, packaged_calendar
from shared.wire.instruments import INSTRUMENT_DTYPE

CALENDAR = packaged_calendar()


def rows(*listed: tuple[int, str], exchange: str = "NFO", lot_size: int = 65) -> np.ndarray:
    made = np.zeros(len(listed), INSTRUMENT_DTYPE)
    for row, (token, symbol) in zip(made, listed, strict=True):
        row["instrument_token"], row["tradingsymbol"] = token, symbol.encode()
        row["exchange"], row["lot_size"], row["expiry"] = exchange.encode(), lot_size, 20260929
    return made


def many(count: int, exchange: str = "NFO") -> np.ndarray:
    return rows(*((token, f"X{token}") for token in range(1, count + 1)), exchange=exchange)


def at(day: date, hour: int, minute: int = 0) -> int:
    return moment_ns(day, time(hour, minute))


def test_what_was_listed_delisted_changed_and_given_another_contracts_token_is_told() -> None:
    before = np.concatenate([rows((1, "OLD"), (2, "SAME")), rows((3, "LOT"), lot_size=65)])
    after = np.concatenate([rows((1, "NEW"), (2, "SAME")), rows((3, "LOT"), lot_size=75)])
    found = differences(before, after)
    new, old = (b"NFO", b"NEW", 20260929), (b"NFO", b"OLD", 20260929)
    assert found.listed == (new,)
    assert found.delisted == (old,)
    assert found.changed == ((b"NFO", b"LOT", 20260929),)
    assert [(each.instrument_token, each.before, each.after) for each in found.reused] == [
        (1, old, new)
    ]


def test_contract_with_another_token_is_changed_not_listed_anew() -> None:
    found = differences(rows((1, "SAME")), rows((9, "SAME")))
    assert found.changed == ((b"NFO", b"SAME", 20260929),)
    assert not found.listed
    assert not found.reused


@st.composite
def dumps(draw: st.DrawFn) -> np.ndarray:
    symbols = draw(st.lists(st.sampled_from("ABCDEFGH"), unique=True, max_size=8))
    tokens = draw(st.permutations(range(1, 10)))
    made = rows(*sorted(zip(tokens[: len(symbols)], symbols, strict=True)))
    made["lot_size"] = draw(
        st.lists(st.sampled_from([65, 75]), min_size=len(made), max_size=len(made))
    )
    return made


@given(dumps(), dumps())
def test_differences_are_told_by_contract_whatever_tokens_they_have(before, after) -> None:
    old, new = (
        {row["tradingsymbol"]: (row["instrument_token"], row["lot_size"]) for row in each}
        for each in (before, after)
    )
    found = differences(before, after)
    assert {each[1] for each in found.listed} == new.keys() - old.keys()
    assert {each[1] for each in found.delisted} == old.keys() - new.keys()
    assert {each[1] for each in found.changed} == {
        name for name in old.keys() & new.keys() if old[name] != new[name]
    }
    had = {token: name for name, (token, _) in old.items()}
    assert {(each.before[1], each.after[1]) for each in found.reused} == {
        (had[token], name) for name, (token, _) in new.items() if had.get(token, name) != name
    }


def test_same_dump_says_nothing_new() -> None:
    assert not differences(many(50), many(50))


def test_dump_that_lost_one_exchange_is_no_good_one() -> None:
    before = np.concatenate([many(1_000), many(200, "BFO")])
    with pytest.raises(MessageError, match="0 rows of BFO after 200"):
        check(before, many(1_200), 0.5)


def test_first_dump_has_nothing_to_be_measured_by() -> None:
    check(rows(), many(1), 0.5)


def test_dump_is_due_once_after_half_past_eight_of_a_trading_day() -> None:
    tuesday = date(2026, 9, 22)
    fetched = at(tuesday, 7)
    assert due(0, fetched, CALENDAR)
    assert not due(fetched, at(tuesday, 8, 29), CALENDAR)
    assert due(fetched, at(tuesday, 8, 30), CALENDAR)
    assert not due(at(tuesday, 8, 30), at(tuesday, 23), CALENDAR)


def test_no_dump_is_due_on_a_weekend() -> None:
    friday = at(date(2026, 9, 25), 9)
    assert not due(friday, at(date(2026, 9, 26), 12), CALENDAR)
    assert not due(friday, at(date(2026, 9, 28), 8), CALENDAR)
    assert due(friday, at(date(2026, 9, 28), 8, 30), CALENDAR)


def test_day_of_which_nothing_is_known_counts_as_a_trading_day() -> None:
    assert due(at(date(2031, 3, 4), 9), at(date(2031, 3, 5), 9), CALENDAR)
