from __future__ import annotations

import pytest

from shared.errors import StoreError
from shared.store.wants import WantRow, WantTable

pytestmark = pytest.mark.integration
INFY = WantRow(source="desk", symbol="NSE:INFY", mode="ltp", priority=10, changed_us=100)


async def test_want_is_kept_until_it_is_removed(pool) -> None:
    table = WantTable(pool)
    assert await table.put([INFY]) == 1
    assert await table.all(now_us=200) == [INFY]
    assert await table.remove("other") == 0
    assert await table.remove("desk", ["NSE:TCS"]) == 0
    assert await table.remove("desk", ["NSE:INFY"]) == 1
    assert await table.all(now_us=200) == []


async def test_same_source_replaces_its_want_and_another_has_its_own(pool) -> None:
    table = WantTable(pool)
    await table.put([INFY])
    richer = WantRow(source="desk", symbol="NSE:INFY", mode="full", priority=90, changed_us=101)
    other = WantRow(source="risk", symbol="NSE:INFY", changed_us=101)
    assert await table.put([richer, other]) == 1
    assert await table.all(now_us=200) == [richer, other]
    assert await table.remove("desk") == 1
    assert await table.all(now_us=200) == [other]


async def test_want_that_is_over_is_not_read_and_deleted_by_the_next_writer(pool) -> None:
    table = WantTable(pool)
    await table.put([WantRow(source="desk", symbol="NSE:TCS", expires_us=150, changed_us=100)])
    assert await table.all(now_us=149)
    assert await table.all(now_us=150) == []
    await table.put([WantRow(source="desk", symbol="NSE:INFY", changed_us=160)])
    assert [row.symbol for row in await table.all(now_us=0)] == ["NSE:INFY"]


async def test_table_refuses_what_no_reader_understands(pool) -> None:
    with pytest.raises(StoreError, match="violates check constraint"):
        await WantTable(pool).put([WantRow(source="desk", symbol="NSE:INFY", mode="best")])
