from __future__ import annotations

import numpy as np
import pytest

from enrich.kernels import status
from shared.wire.layout import Layout, padding_free
from shared.wire.reference import LAYOUTS
from shared.wire.ticks import TICK_DTYPE, Flag, Status


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_layout_has_no_padding_and_is_little_endian(layout: Layout) -> None:
    assert padding_free(layout)
    for field in layout.fields:
        assert field.kind[0] in "<|", f"{field.name} is not little-endian"


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_layout_can_be_rebuilt_from_its_description(layout: Layout) -> None:
    described = layout.describe()
    rebuilt = np.dtype(
        {
            "names": [field["name"] for field in described["fields"]],
            "formats": [
                (field["type"], (field["count"],)) if field["count"] > 1 else field["type"]
                for field in described["fields"]
            ],
            "offsets": [field["offset"] for field in described["fields"]],
            "itemsize": described["size_bytes"],
        }
    )
    assert rebuilt == layout.dtype


def test_tick_is_392_bytes_and_prices_start_where_they_are_published() -> None:
    offsets = {name: TICK_DTYPE.fields[name][1] for name in TICK_DTYPE.names}
    assert TICK_DTYPE.itemsize == 392
    assert (offsets["last_price"], offsets["bid_price"], offsets["implied_vol"]) == (48, 168, 312)


def test_status_codes_of_the_kernels_are_those_of_the_wire() -> None:
    for code in Status:
        assert int(getattr(status, code.name)) == code.value
    for flag in Flag:
        assert int(getattr(status, f"FLAG_{flag.name}")) == flag.value
