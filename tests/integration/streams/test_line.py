from __future__ import annotations

import asyncio

import pytest
from redis.exceptions import RedisError, ResponseError

from shared.streams.client import connect
from shared.streams.line import Line
from shared.streams.settings import RedisSettings
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


async def test_line_gives_an_answer_for_each_command_refusals_in_their_place(redis) -> None:
    line = Line(redis)
    answers = await line.exchange([["SET", "k", "v"], ["XLEN", "k"], ["GET", "k"]])
    assert answers[0] in (b"OK", True)
    assert isinstance(answers[1], ResponseError)
    assert answers[2] == b"v"


async def test_line_changes_keys_at_once_and_gives_the_same_answers(redis) -> None:
    commands = [["SET", "k", "v"], ["XLEN", "k"], ["GET", "k"]]
    answers = await Line(redis).exchange_at_once(commands)
    assert answers[0] in (b"OK", True)
    assert isinstance(answers[1], ResponseError)
    assert answers[2] == b"v"
    assert await Line(redis).exchange_at_once([["GET", "k"]]) == [b"v"]


async def test_command_that_cannot_be_queued_refuses_all_that_were_to_be_done_at_once(
    redis,
) -> None:
    answers = await Line(redis).exchange_at_once([["SET", "k", "v"], ["NO-SUCH-COMMAND"]])
    assert all("unknown command" in str(answer) for answer in answers)
    assert len(answers) == 2
    assert await redis.exists("k") == 0


async def test_who_may_not_begin_a_transaction_has_each_command_done_by_itself(redis) -> None:
    await redis.acl_setuser(
        "plain", enabled=True, passwords=["+p"], keys=["*"], commands=["+@all", "-multi", "-exec"]
    )
    line = Line(redis)
    await line.exchange([["AUTH", "plain", "p"]])
    assert await line.exchange_at_once([["SET", "k", "v"], ["GET", "k"]]) == [b"OK", b"v"]


async def test_line_keeps_one_connection_and_takes_turns(redis) -> None:
    line = Line(redis)
    ids = await asyncio.gather(*[line.exchange([["CLIENT", "ID"]]) for _ in range(5)])
    assert len({answer for (answer,) in ids}) == 1


async def test_line_takes_another_connection_when_its_own_was_closed_meanwhile(redis) -> None:
    line = Line(redis)
    (mine,) = await line.exchange([["CLIENT", "ID"]])
    assert await redis.execute_command("CLIENT", "KILL", "ID", mine)
    (other,) = await line.exchange([["CLIENT", "ID"]])
    assert other != mine


async def test_line_whose_exchange_was_cut_short_mixes_up_no_answers(redis) -> None:
    line = Line(redis)
    await line.exchange([["PING"]])
    asking = asyncio.create_task(line.exchange([["BLPOP", "nothing", 5]]), name="asking")
    await eventually(lambda: is_blocked(redis))
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await line.exchange([["ECHO", "mine"]]) == [b"mine"]


async def is_blocked(redis) -> bool:
    return bool((await redis.info("clients"))["blocked_clients"])


async def test_line_waits_for_a_silent_server_no_longer_than_it_may(plain_redis) -> None:
    settings = RedisSettings(
        ticks_url=plain_redis.url, orders_url=plain_redis.url, answer_timeout_s=1
    )
    async with connect(plain_redis.url, name="test", settings=settings) as client:
        line = Line(client)
        with pytest.raises(RedisError, match="no answer in 1 s"):
            await line.exchange([["BLPOP", "nothing", 5]])
        assert await line.exchange([["ECHO", "mine"]]) == [b"mine"]
