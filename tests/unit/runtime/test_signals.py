"""SIGTERM or SIGINT as an event the worker waits for."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

import pytest
import uvloop

from shared.runtime.signals import stop_on_signals
from tests.support.eventually import eventually

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]


def run(
    scenario: Callable[[], object], loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(scenario())  # type: ignore[arg-type]


@pytest.mark.parametrize("loop_factory", LOOPS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_first_signal_asks_to_stop_and_the_second_is_in_a_hurry(
    number: signal.Signals, loop_factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def scenario() -> None:
        stopping, forced = asyncio.Event(), asyncio.Event()
        with stop_on_signals(stopping, force=forced.set):
            os.kill(os.getpid(), number)
            await eventually(stopping.is_set)
            assert not forced.is_set()
            os.kill(os.getpid(), number)
            await eventually(forced.is_set)

    run(scenario, loop_factory)


@pytest.mark.parametrize("loop_factory", LOOPS)
def test_handlers_are_given_back(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    received: list[int] = []

    def own(number: int, _frame: object) -> None:
        received.append(number)

    before = signal.signal(signal.SIGTERM, own)
    try:

        async def scenario() -> None:
            with stop_on_signals(asyncio.Event(), force=lambda: None):
                pass
            os.kill(os.getpid(), signal.SIGTERM)
            await eventually(lambda: received)

        run(scenario, loop_factory)
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)
    assert received == [signal.SIGTERM]
