from __future__ import annotations

import msgspec
import pytest

from enrich.parameters import Parameters


def test_carries_are_told_by_underlying() -> None:
    told = Parameters(carry=("RELIANCE=0.06/0.004", "BAJAJ-AUTO=0.05/-0.01"))
    assert told.carries() == {"RELIANCE": (0.06, 0.004), "BAJAJ-AUTO": (0.05, -0.01)}


@pytest.mark.parametrize(
    ("carry", "why"),
    [
        (["RELIANCE=1.5/0"], "RELIANCE is not within"),
        (["RELIANCE=0.05/0", "RELIANCE=0.06/0"], "named twice"),
        (["RELIANCE=0.05"], "matching regex"),
        (["RELIANCE=0.0.5/0"], "could not convert"),
    ],
)
def test_carry_that_is_none_is_refused(carry: list[str], why: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=why):
        msgspec.convert({"carry": carry}, Parameters)
