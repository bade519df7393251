from __future__ import annotations

import random

import numpy as np
import pytest

from shared.errors import StoreError
from shared.store.instrument_bytes import ROWS_PER_PIECE
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


async def test_what_the_table_says_decides_not_what_was_stored_before(table, pool) -> None:
    rows = dump((513, "A"), (770, "B"), (1027, "C"))
    await table.put(1, rows, fetched_us=5)
    async with pool.connection() as connection:
        await connection.execute("UPDATE instruments SET lot_size = 1 WHERE tradingsymbol = 'A'")
        await connection.execute("DELETE FROM instruments WHERE tradingsymbol = 'B'")
    assert await table.put(2, rows, fetched_us=6) == Stored(1, 0, 1)
    assert np.array_equal(await table.current(), rows)


async def test_texts_are_kept_to_their_last_byte(table) -> None:
    rows = dump((513, "X" * 36), (770, "é" * 18), (1027, 'A"B\\,\tC'))
    rows["underlying"] = [b"U" * 24, "₹".encode() * 8, b""]
    rows["exchange"] = [b"EXCHANGE", b"N", b"NFO"]
    await table.put(1, rows, fetched_us=5)
    assert np.array_equal(await table.current(), rows)


async def test_more_rows_than_are_made_at_once_are_stored_and_compared(table) -> None:
    many = dump(
        *((256 * number + 2, f"S{number:05}") for number in range(1, ROWS_PER_PIECE * 2 + 9))
    )
    assert await table.put(1, many, fetched_us=5) == Stored(len(many), 0, 0)
    assert np.array_equal(await table.current(), many)
    others = dump(*((256 * number + 2, f"S{number:05}") for number in range(1, 7)), lot_size=75)
    after = np.concatenate((others, many[9:]))
    assert await table.put(2, after, fetched_us=6) == Stored(0, 3, 6)
    assert np.array_equal(await table.current(), after)


async def test_moment_that_the_table_cannot_hold_is_refused_whole(table) -> None:
    rows = dump((513, "A"))
    rows["expiry_ns"] = 1 << 63
    with pytest.raises(ValueError, match="beyond the year 2262"):
        await table.put(1, rows, fetched_us=5)
    assert not len(await table.current())


async def test_any_row_of_dumps_leaves_what_each_of_them_says(table, pool) -> None:
    dice = random.Random(20261128)
    told: dict[str, tuple[int, ...]] = {}
    changes: set[tuple[object, ...]] = set()
    for version in range(1, 25):
        symbols = dice.sample("ABCDEFGH", dice.randint(1, 8))
        tokens = dice.sample(range(256, 268), len(symbols))
        rows = np.sort(dump(*zip(tokens, symbols, strict=True)), order="instrument_token")
        rows["lot_size"] = [dice.choice((65, 75)) for _ in symbols]
        before = dict(told)
        new = {row["tradingsymbol"].decode(): row for row in rows}
        for symbol in told.keys() | new.keys():
            told[symbol] = _after(told.get(symbol), new.get(symbol), version)
        both = [name for name in new if name in before and told[name] != before[name]]
        changes |= {(name, version, *before[name][:2], before[name][4]) for name in both}
        gone = [name for name in before if name not in new and told[name] != before[name]]
        stored = await table.put(version, rows, fetched_us=version)
        assert stored == Stored(len(new.keys() - before.keys()), len(gone), len(both))
        assert np.array_equal(await table.current(), rows)
    async with pool.connection() as connection:
        found = await connection.fetch(
            "SELECT tradingsymbol, instrument_token, lot_size, listed, changed, delisted"
            " FROM instruments"
        )
        changed = await connection.fetch(
            "SELECT tradingsymbol, version, instrument_token, lot_size, delisted"
            " FROM instrument_changes"
        )
    assert {row["tradingsymbol"]: tuple(row.values())[1:] for row in found} == told
    assert {tuple(row.values()) for row in changed} == changes


def _after(before, row, version):
    """Return (token, lot size, listed, changed, delisted) of a contract after a dump."""
    if row is None:
        token, lot, listed, _, delisted = before
        return before if delisted else (token, lot, listed, version, version)
    terms = (int(row["instrument_token"]), int(row["lot_size"]))
    if before is None:
        return (*terms, version, version, None)
    if before[:2] == terms and before[4] is None:
        return before
    return (*terms, before[2], version, None)
