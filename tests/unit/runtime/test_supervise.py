"""Side tasks that may not end before the worker does."""

from __future__ import annotations

import asyncio

import pytest

from shared.runtime.supervise import TaskEnded, pause, supervise


async def test_side_task_that_ends_early_brings_its_group_down() -> None:
    async def returns() -> None:
        return

    stopping = asyncio.Event()

    async def worker() -> None:
        async with asyncio.TaskGroup() as group:
            supervise(group, returns(), name="flush", stopping=stopping)
            await stopping.wait()

    with pytest.raises(ExceptionGroup) as caught:
        await worker()
    [error] = caught.value.exceptions
    assert isinstance(error, TaskEnded)
    assert str(error) == "task 'flush' ended although nobody asked it to stop"


async def test_side_task_that_ends_while_stopping_is_fine() -> None:
    stopping = asyncio.Event()

    async def waits() -> None:
        await stopping.wait()

    async with asyncio.TaskGroup() as group:
        task = supervise(group, waits(), name="flush", stopping=stopping)
        stopping.set()
    assert task.get_name() == "flush"
    assert task.done()


async def test_side_task_that_raises_travels_on_with_its_name() -> None:
    async def raises() -> None:
        raise ValueError("x")

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            supervise(group, raises(), name="flush", stopping=asyncio.Event())
    [error] = caught.value.exceptions
    assert isinstance(error, ValueError)
    assert error.__notes__ == ["in task 'flush'"]


async def test_side_task_that_is_cancelled_stays_cancelled() -> None:
    stopping = asyncio.Event()

    async def waits() -> None:
        await stopping.wait()

    async with asyncio.TaskGroup() as group:
        task = supervise(group, waits(), name="flush", stopping=stopping)
        await asyncio.sleep(0)
        task.cancel()
    assert task.cancelled()


async def test_pause_ends_as_soon_as_stopping_is_set() -> None:
    stopping = asyncio.Event()
    async with asyncio.timeout(2):
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(pause(stopping, 3600))
            await asyncio.sleep(0)
            stopping.set()
    assert waiting.result() is True


async def test_pause_without_a_stop_ends_with_its_time() -> None:
    assert await pause(asyncio.Event(), 0.001) is False


async def test_pause_of_no_time_still_tells_that_stopping_is_set() -> None:
    stopping = asyncio.Event()
    stopping.set()
    assert await pause(stopping, 0) is True
