"""Items that wait for one writer's turn are written together."""

from __future__ import annotations

import asyncio

import pytest

from shared.errors import StoreError
from shared.store.gathering import Gathering


class Writer:
    def __init__(self, most=100):
        self.turn = asyncio.Lock()
        self.written = []
        self.answer = True
        self.gathering = Gathering(self.turn, self.write, items_max=most)

    async def write(self, items):
        await asyncio.sleep(0)
        self.written.append(list(items))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def put_all(self, count):
        """Put items while somebody else writes, so that they gather."""
        async with self.turn:
            tasks = [asyncio.create_task(self.gathering.put(each)) for each in range(count)]
            await asyncio.sleep(0)
        return await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_gathered_during_a_write_is_written_by_the_next_one_together():
    writer = Writer()
    assert await writer.put_all(5) == [True] * 5
    assert writer.written == [[0, 1, 2, 3, 4]]


async def test_item_alone_is_written_at_once():
    writer = Writer()
    assert await writer.gathering.put("a")
    assert writer.written == [["a"]]


async def test_more_than_fits_is_written_in_order_by_several_writes():
    writer = Writer(most=2)
    assert await writer.put_all(5) == [True] * 5
    assert writer.written == [[0, 1], [2, 3], [4]]


async def test_refusal_is_everybodys_and_nothing_is_tried_again():
    writer = Writer()
    writer.answer = False
    assert await writer.put_all(3) == [False] * 3
    assert len(writer.written) == 1


async def test_failure_is_everybodys_own():
    writer = Writer()
    writer.answer = StoreError("gone")
    found = await writer.put_all(3)
    assert [str(each) for each in found] == ["gone"] * 3
    assert len({id(each) for each in found}) == 3


async def test_item_whose_putter_was_cancelled_before_its_turn_is_written_by_nobody():
    writer = Writer()
    async with writer.turn:
        tasks = [asyncio.create_task(writer.gathering.put(each)) for each in "ab"]
        await asyncio.sleep(0)
        tasks[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]
    assert await tasks[1]
    assert writer.written == [["b"]]


async def test_writer_that_is_cancelled_leaves_the_others_in_doubt_rather_than_waiting():
    writer = Writer()
    writing = asyncio.Event()

    async def hang(_items):
        writing.set()
        await asyncio.Event().wait()

    writer.gathering = Gathering(writer.turn, hang, items_max=9)
    async with writer.turn:
        tasks = [asyncio.create_task(writer.gathering.put(each)) for each in "ab"]
        await asyncio.sleep(0)
    await writing.wait()
    tasks[0].cancel()
    with pytest.raises(StoreError, match="before its commit was confirmed"):
        await tasks[1]
