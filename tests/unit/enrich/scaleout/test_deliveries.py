"""Batches of a partition on their way: in order, few at once, none behind one that failed."""

from __future__ import annotations

import asyncio

from enrich.scaleout.deliveries import PENDING_MAX, Deliveries


class Log:
    """Takes batches one at a time, each when the test lets it."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.let = asyncio.Semaphore(0)

    def batch(self, number: int, *, fails: bool = False):
        async def deliver(is_open: bool) -> bool:
            if not is_open:
                self.written.append(-number)
                return False
            await self.let.acquire()
            self.written.append(number)
            return not fails

        return deliver


async def test_batches_are_written_in_the_order_they_were_added() -> None:
    log, line = Log(), Deliveries()
    for number in (1, 2):
        await line.room()
        line.add(log.batch(number))
    assert log.written == []
    log.let.release()
    log.let.release()
    await line.settle()
    assert log.written == [1, 2]


async def test_batch_finds_no_room_while_as_many_as_may_are_on_their_way() -> None:
    log, line = Log(), Deliveries()
    for number in range(PENDING_MAX):
        await line.room()
        line.add(log.batch(number))
    waiting = asyncio.create_task(line.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    log.let.release()
    async with asyncio.timeout(5):
        await waiting
    assert log.written == [0]
    log.let.release()
    await line.settle()


async def test_nothing_behind_a_batch_that_failed_is_written_and_each_is_told() -> None:
    log, line = Log(), Deliveries()
    for number, fails in ((1, True), (2, False)):
        await line.room()
        line.add(log.batch(number, fails=fails))
    log.let.release()
    await line.settle()
    await line.room()
    line.add(log.batch(3))
    await line.settle()
    assert log.written == [1, -2, -3]
