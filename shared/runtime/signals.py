"""SIGTERM or SIGINT as an event the worker waits for.

The first one asks the worker to drain. A second one means somebody is in a hurry: `force` is
called. Handlers are process-wide, so whoever had them before gets them back.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from shared.runtime.logs import get_log

STOP_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def stop_on_signals(stopping: asyncio.Event, force: Callable[[], None]) -> Iterator[None]:
    """Set `stopping` on the first signal and call `force` on every later one.

    Must be entered on the main thread, inside the running loop.
    """
    log = get_log()

    def receive(received: signal.Signals) -> None:
        if stopping.is_set():
            log.warning("signal.repeated", signal=received.name)
            force()
            return
        stopping.set()
        log.info("signal.received", signal=received.name)

    loop = asyncio.get_running_loop()
    previous = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, receive, number)
    try:
        yield
    finally:
        for number, handler in previous.items():
            loop.remove_signal_handler(number)
            # None is a handler that was not installed from Python: it cannot be given back.
            if handler is not None:
                signal.signal(number, handler)
