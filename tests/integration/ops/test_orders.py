"""Commands on the real stream, events from it."""

from __future__ import annotations

import asyncio
import json
import uuid

import pytest

from shared.streams import replies
from shared.streams.client import call
from shared.wire import codec, topics
from shared.wire.orders import Cancel, Command, Modify, Place, State
from tests.integration.ops.conftest import ACCOUNT, NOW_NS, WITHIN_S
from tests.support.eventually import eventually

PLACE = (
    *("orders", "place", "--exchange", "NSE", "--symbol", "INFY", "--side", "buy"),
    *("--quantity", "1", "--product", "MIS", "--price", "101.55"),
)
ID = "test-0001"


async def commands(upstream) -> list[Command]:
    stream = topics.COMMANDS.name(ACCOUNT)
    reply = await call(upstream.orders, "test", "XRANGE", stream, "-", "+")
    return [codec.decode(entry.fields, Command) for entry in replies.of_range(stream, reply)]


def sent(operator) -> list[Command]:
    found: list[Command] = []

    async def read(upstream) -> None:
        found.extend(await commands(upstream))

    operator.seed(read)
    return found


@pytest.fixture
def desk(operator):
    operator.seed(lambda upstream: upstream.accept_commands())
    return operator


def test_place_writes_one_command_with_a_new_id(desk) -> None:
    result = desk.run(*PLACE, "--strategy", "hand", "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    (order,) = sent(desk)
    assert isinstance(order, Place)
    assert told == {"command_id": order.command_id, "account": ACCOUNT}
    assert uuid.UUID(order.command_id).version == 7
    assert (order.transaction_type, str(order.price), order.strategy_id) == (
        "BUY",
        "101.55",
        "hand",
    )
    assert order.valid_until_us == NOW_NS // 1000 + 60_000_000


def test_place_typed_again_with_its_id_is_the_same_command(desk) -> None:
    made = desk.run(*PLACE, "--quiet").stdout.strip()
    desk.clock.advance(5)
    desk.run(*PLACE, "--quiet", "--command-id", made)
    first, second = sent(desk)
    assert first == second


def test_place_with_an_id_that_tells_no_time_is_valid_for_ever_unless_said(desk) -> None:
    desk.run(*PLACE, "--command-id", ID)
    desk.run(*PLACE, "--command-id", ID, "--valid-for", "5")
    assert [order.valid_until_us for order in sent(desk)] == [None, NOW_NS // 1000 + 5_000_000]


def test_quiet_place_prints_the_id_alone(desk) -> None:
    result = desk.run(*PLACE, "--command-id", ID, "--quiet")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{ID}\n", "")


def test_place_that_is_wrong_sends_nothing(desk) -> None:
    result = desk.run(*PLACE, "--type", "MARKET", "--json")
    assert result.exit_code == 2
    assert json.loads(result.stderr)["message"] == "a MARKET order has no --price"
    assert sent(desk) == []


def test_account_without_an_executor_is_not_found(desk) -> None:
    result = desk.run(*PLACE, "--account", "ZZ9999")
    assert result.exit_code == 4
    assert "ZZ9999 has no executor" in result.stderr


def test_modify_and_cancel_name_their_order(desk) -> None:
    assert desk.run("orders", "modify", "--target", ID, "--price", "99").exit_code == 0
    assert desk.run("orders", "cancel", "--order-id", "77").exit_code == 0
    change, cancelling = sent(desk)
    assert isinstance(change, Modify)
    assert (change.target_command_id, str(change.price)) == (ID, "99")
    assert isinstance(cancelling, Cancel)
    assert (cancelling.order_id, cancelling.valid_until_us) == ("77", None)


def test_command_that_redis_refuses_says_how_to_send_it_again(
    desk, ticks_redis, orders_redis
) -> None:
    reader = orders_redis.url_for("client-read").reveal()
    result = desk.run(*PLACE, "--command-id", ID, TICKFLOW_REDIS__ORDERS_URL=reader)
    assert result.exit_code == 1
    assert result.stdout == f"{ID}\n"
    assert f"--command-id {ID} is never carried out twice" in result.stderr


@pytest.mark.parametrize("verb", ["modify", "cancel"])
def test_command_without_a_target_is_a_usage_error(desk, verb: str) -> None:
    result = desk.run("orders", verb)
    assert result.exit_code == 2
    assert "--target" in result.stderr


async def waited(operator, *states: State, until: str = "accepted") -> tuple[int, list[str]]:
    """Place an order that an executor answers with these states; return how the wait ended."""
    async with operator.upstream() as upstream:
        await upstream.accept_commands()
        words = (*PLACE, "--command-id", ID, "--wait", "20", "--until", until)
        async with operator.running(*words) as process:
            first = await asyncio.wait_for(process.stdout.readline(), WITHIN_S)
            assert first.decode().strip() == ID
            await eventually(lambda: commands(upstream), within_s=WITHIN_S)
            await upstream.event("other-0001", 1, State.REJECTED)
            for sequence, state in enumerate(states, start=1):
                await upstream.event(ID, sequence, state)
            out, _ = await asyncio.wait_for(process.communicate(), WITHIN_S)
    return process.returncode, [line.split()[3] for line in out.decode().splitlines()]


async def test_wait_prints_events_until_the_broker_took_it(operator) -> None:
    code, states = await waited(operator, State.RECEIVED, State.SENDING, State.OPEN)
    assert (code, states) == (0, ["RECEIVED", "SENDING", "OPEN"])


async def test_wait_for_a_rejected_order_fails(operator) -> None:
    code, states = await waited(operator, State.RECEIVED, State.REJECTED, until="final")
    assert (code, states) == (1, ["RECEIVED", "REJECTED"])


async def test_wait_sends_the_same_command_again_until_it_is_received(operator) -> None:
    async with operator.upstream() as upstream:
        await upstream.accept_commands()
        async with operator.running(*PLACE, "--command-id", ID, "--wait", "20") as process:

            async def twice() -> bool:
                return len(await commands(upstream)) == 2

            await eventually(twice, within_s=WITHIN_S)
            first, second = await commands(upstream)
            assert first == second
            await upstream.event(ID, 1, State.ACCEPTED)
            assert await asyncio.wait_for(process.wait(), WITHIN_S) == 0


async def test_wait_that_runs_out_is_degraded(operator) -> None:
    async with operator.upstream() as upstream:
        await upstream.accept_commands()
        async with operator.running(*PLACE, "--wait", "0.3", "--json") as process:
            assert await asyncio.wait_for(process.wait(), WITHIN_S) == 3


async def three_events(upstream) -> None:
    await upstream.event(ID, 1, State.RECEIVED)
    await upstream.event("test-0002", 2, State.OPEN)
    await upstream.event(ID, 3, State.OPEN, order_id="77", strategy_id="names test-0002")


def test_show_prints_the_events_of_one_command_in_order(operator) -> None:
    operator.seed(three_events)
    result = operator.run("orders", "show", ID, "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(each["sequence"], each["state"]) for each in events] == [(1, "RECEIVED"), (3, "OPEN")]
    text = operator.run("orders", "show", ID).stdout
    assert "order 77" in text.splitlines()[1]


def test_show_reads_back_over_many_pages(operator) -> None:
    async def many(upstream) -> None:
        await upstream.event(ID, 1, State.RECEIVED)
        for sequence in range(2, 1205):
            await upstream.event("other-0001", sequence, State.OPEN)

    operator.seed(many)
    assert len(operator.run("orders", "show", ID, "--json").stdout.splitlines()) == 1


@pytest.mark.parametrize("command_id", ["nix-00001", "019a0000-0000-7000-8000-000000000000"])
def test_show_of_an_unknown_command_is_not_found(operator, command_id: str) -> None:
    operator.seed(three_events)
    result = operator.run("orders", "show", command_id)
    assert (result.exit_code, result.stdout) == (4, "")


async def test_tail_prints_events_as_they_come(operator) -> None:
    async with (
        operator.upstream() as upstream,
        operator.running("orders", "tail", "--count", "2", "--json") as process,
    ):
        ended = asyncio.ensure_future(process.communicate())
        sequence = iter(range(1, 100_000))

        async def feed() -> bool:
            await upstream.event(ID, next(sequence), State.OPEN)
            return ended.done()

        await eventually(feed, within_s=WITHIN_S, every_s=0.05)
        out, err = await ended
    assert (process.returncode, err) == (0, b"")
    assert [json.loads(line)["command_id"] for line in out.splitlines()] == [ID, ID]


def test_orders_without_an_account_are_a_usage_error(operator) -> None:
    del operator.environ["TICKFLOW_ACCOUNT__ID"]
    result = operator.run("orders", "show", ID)
    assert result.exit_code == 2
    assert "--account" in result.stderr
