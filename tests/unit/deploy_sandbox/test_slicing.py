"""An order above the freeze quantity in slices."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.sandbox.slicing import slice_quantities
from shared.errors import KiteRejected


def test_slices_are_whole_lots_below_the_freeze_with_the_rest_last() -> None:
    assert slice_quantities(3640, 1800, 65) == (1755, 1755, 130)


@pytest.mark.parametrize(
    ("quantity", "words"), [(3445, "greater than or equal to 3510"), (17615, "10 slices")]
)
def test_slices_too_few_or_too_many_are_refused(quantity: int, words: str) -> None:
    with pytest.raises(KiteRejected, match=words):
        slice_quantities(quantity, 1800, 65)


@given(st.integers(54, 270))
def test_slices_add_up_to_the_order(lots: int) -> None:
    slices = slice_quantities(lots * 65, 1800, 65)
    assert sum(slices) == lots * 65
    assert max(slices) <= 1800
    assert all(quantity % 65 == 0 for quantity in slices)
