"""Ctrl-C or SIGTERM as an event: a command that writes ends what it began."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_on_interrupt() -> Iterator[asyncio.Event]:
    """Give an event that the first signal sets; the second one cancels the task that is in here."""
    stopping, loop, task = asyncio.Event(), asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def receive() -> None:
        if stopping.is_set():
            task.cancel()
        stopping.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, receive)
    try:
        yield stopping
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
