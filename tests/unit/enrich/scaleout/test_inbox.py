"""Messages are taken as they come: one when it is quiet, many when they wait."""

from __future__ import annotations

import asyncio

from enrich.scaleout.inbox import Inbox


async def test_what_waits_is_taken_at_once_in_order_up_to_the_count() -> None:
    inbox: Inbox[int] = Inbox(10)
    for number in range(5):
        await inbox.put(number)
    assert await inbox.take(3) == [0, 1, 2]
    assert await inbox.take(3) == [3, 4]


async def test_one_message_is_taken_without_waiting_for_a_second() -> None:
    inbox: Inbox[int] = Inbox(10)
    taking = asyncio.create_task(inbox.take(32))
    await asyncio.sleep(0)
    assert not taking.done()
    await inbox.put(7)
    async with asyncio.timeout(5):
        assert await taking == [7]


async def test_full_inbox_lets_nobody_in_until_something_is_taken() -> None:
    inbox: Inbox[int] = Inbox(1)
    await inbox.put(1)
    putting = asyncio.create_task(inbox.put(2))
    await asyncio.sleep(0)
    assert not putting.done()
    assert await inbox.take(1) == [1]
    async with asyncio.timeout(5):
        await putting
    assert await inbox.take(9) == [2]
