from __future__ import annotations

import numpy as np
import pytest

from shared.errors import StoreError
from shared.store.instruments import InstrumentTable, Stored
from shared.wire.instruments import INSTRUMENT_DTYPE, Kind

pytestmark = pytest.mark.integration


@pytest.fixture
def table(pool):
    return InstrumentTable(pool)


def dump(*listed: tuple[int, str], lot_size: int = 65) -> np.ndarray:
    rows = np.zeros(len(listed), INSTRUMENT_DTYPE)
    for row, (token, symbol) in zip(rows, listed, strict=True):
        row["instrument_token"], row["tradingsymbol"] = token, symbol.encode()
    rows["exchange"], rows["underlying"], rows["underlying_token"] = b"NFO", b"M&M", 265
    rows["kind"], rows["strike"], rows["tick_size"] = Kind.CALL, 24_000.5, 0.05
    rows["lot_size"], rows["expiry"], rows["expiry_ns"] = lot_size, 20260929, 1_790_700_000 * 10**9
    return rows


async def test_dump_is_read_back_as_it_was_stored(table) -> None:
    rows = dump((513, "A"), (770, "B"), (4_294_967_042, "C"))
    assert await table.put(1, rows, fetched_us=5) == Stored(3, 0, 0)
    assert np.array_equal(await table.current(), rows)


async def test_same_dump_again_changes_nothing(table) -> None:
    await table.put(1, dump((513, "A")), fetched_us=5)
    assert await table.put(2, dump((513, "A")), fetched_us=6) == Stored(0, 0, 0)


async def test_token_given_to_another_contract_leaves_the_first_ones_history(table, pool) -> None:
    await table.put(1, dump((513, "OLD"), (770, "B")), fetched_us=5)
    assert await table.put(2, dump((513, "NEW"), (770, "B")), fetched_us=6) == Stored(1, 1, 0)
    async with pool.connection() as connection:
        rows = await connection.fetch(
            "SELECT tradingsymbol, listed, delisted FROM instruments WHERE instrument_token = 513"
            " ORDER BY listed"
        )
    assert [tuple(row.values()) for row in rows] == [("OLD", 1, 2), ("NEW", 2, None)]
    assert (await table.current())["tradingsymbol"].tolist() == [b"NEW", b"B"]


async def test_changed_lot_is_kept_as_it_was_before(table, pool) -> None:
    await table.put(1, dump((513, "A")), fetched_us=5)
    assert await table.put(2, dump((513, "A"), lot_size=75), fetched_us=6) == Stored(0, 0, 1)
    assert (await table.current())["lot_size"].tolist() == [75]
    async with pool.connection() as connection:
        found = await connection.fetchrow("SELECT version, lot_size FROM instrument_changes")
    assert tuple(found.values()) == (2, 65)


async def test_contract_that_is_back_is_listed_again(table) -> None:
    await table.put(1, dump((513, "A"), (770, "B")), fetched_us=5)
    await table.put(2, dump((513, "A")), fetched_us=6)
    assert await table.put(3, dump((513, "A"), (770, "B")), fetched_us=7) == Stored(0, 0, 1)
    assert len(await table.current()) == 2


async def test_dump_that_cannot_be_stored_leaves_the_good_one(table) -> None:
    await table.put(1, dump((513, "A")), fetched_us=5)
    with pytest.raises(StoreError):
        await table.put(2, dump((770, "B"), (770, "B")), fetched_us=6)
    with pytest.raises(ValueError, match="without instruments"):
        await table.put(3, dump(), fetched_us=7)
    assert (await table.current())["tradingsymbol"].tolist() == [b"A"]


async def test_contract_that_left_two_years_ago_is_forgotten_with_what_was_told_of_it(
    table, pool
) -> None:
    await table.put(2024010100, dump((513, "OLD"), (770, "B")), fetched_us=5)
    await table.put(2024010200, dump((770, "B"), lot_size=75), fetched_us=6)
    recent = await table.put(2025010200, dump((1027, "C"), (770, "B"), lot_size=75), fetched_us=7)
    assert recent.forgotten == 0
    later = await table.put(2026112700, dump((770, "B"), lot_size=75), fetched_us=8)
    async with pool.connection() as connection:
        names = await connection.fetch("SELECT tradingsymbol FROM instruments ORDER BY 1")
        dumps = await connection.fetch("SELECT version FROM instrument_dumps ORDER BY 1")
        changes = await connection.fetchval("SELECT count(*) FROM instrument_changes")
    assert [row["tradingsymbol"] for row in names] == ["B", "C"]
    assert [row["version"] for row in dumps] == [2025010200, 2026112700]
    assert (later.forgotten, changes) == (1 + 1 + 2, 0)
