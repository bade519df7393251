"""Waiting for the thing itself instead of for a while."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar, cast

T = TypeVar("T")

#: Long enough for a machine with other work; only a failing test waits for it, in seconds.
WITHIN_S: Final = 30.0
EVERY_S: Final = 0.01


async def eventually(
    condition: Callable[[], Awaitable[T] | T],
    *,
    within_s: float = WITHIN_S,
    every_s: float = EVERY_S,
) -> T:
    """Ask `condition` until it returns something true, and return that.

    A condition may be a coroutine function, and may raise AssertionError to say what is missing.

    Raises:
        AssertionError: nothing true within `within_s` seconds; the last complaint is its cause.
    """
    loop = asyncio.get_running_loop()
    deadline_s = loop.time() + within_s
    while True:
        complaint: AssertionError | None = None
        try:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return cast("T", found)
        except AssertionError as error:
            complaint = error
        if loop.time() >= deadline_s:
            msg = f"still not so after {within_s:g} s: {complaint or condition}"
            raise AssertionError(msg) from complaint
        await asyncio.sleep(every_s)
