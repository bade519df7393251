"""When the order book is looked at because a socket was dead."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

from executor.lookup.missed import MissedUpdates
from shared.errors import StreamError
from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.wire import codec
from shared.wire.control import Control
from shared.wire.topics import CONTROL

ACCOUNT = "AB1234"


class Script:
    """Gives what it is told to, then nothing, then stops the listener."""

    def __init__(self, stopping: asyncio.Event, *answers) -> None:
        self._stopping, self._answers = stopping, list(answers)

    async def read(self):
        if not self._answers:
            self._stopping.set()
            return []
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def entry(fields) -> Entry:
    return Entry(CONTROL.name(), EntryId(1, 0), fields)


def hint(kind: str, subject: str) -> Entry:
    return entry(codec.encode(Control(kind=kind, subject=subject)))


async def looked(*answers) -> bool:
    stopping, desk = asyncio.Event(), SimpleNamespace(account=ACCOUNT, look_soon=asyncio.Event())
    await MissedUpdates(Script(stopping, *answers), desk, retry_s=0.0).run(stopping)
    return desk.look_soon.is_set()


async def test_book_is_looked_at_when_updates_of_the_account_were_missed() -> None:
    assert await looked([hint("order_updates_missed", ACCOUNT)])


async def test_book_is_left_alone_for_any_other_hint() -> None:
    others = [hint("order_updates_missed", "ZZ9999"), hint("session_changed", ACCOUNT)]
    assert not await looked([*others, entry({b"json": b'{"kind":"from a later version"}'})])


async def test_book_is_looked_at_once_hints_are_heard_again() -> None:
    assert await looked(StreamError("away"), [])
