"""Dead letters by an operator's hand."""

from __future__ import annotations

import asyncio
import json

import pytest

from shared.store.migrate import migrate
from shared.store.pool import open_pool
from shared.streams import dead_letters
from shared.streams.client import call
from shared.streams.dead_letters import DeadLetter
from shared.streams.ids import EntryId
from shared.wire.topics import COMMANDS, dead
from tests.integration.ops.conftest import ACCOUNT, NOW_NS
from tests.support.servers import patient

pytestmark = pytest.mark.integration
STREAM = COMMANDS.name(ACCOUNT)
GOOD = b'{"kind":"cancel","command_id":"cmd-00001","order_id":"7"}'
LATE = b'{"kind":"cancel","command_id":"cmd-00001","order_id":"7","valid_until_us":%d}'


@pytest.fixture
def letter(operator, postgres_url):
    """Write a dead letter of commands, or of a stream of ticks; return its number."""
    operator.environ["TICKFLOW_POSTGRES__URL"] = postgres_url.reveal()

    async def journal():
        async with open_pool(patient(postgres_url)) as pool:
            await migrate(pool)

    asyncio.run(journal())

    def write(body, stream=STREAM):
        async def seed(upstream):
            given = DeadLetter(stream, EntryId(1, 0), "executor", "malformed", 1, {b"json": body})
            words = [word for pair in dead_letters.to_fields(given).items() for word in pair]
            redis = upstream.orders if stream.startswith("orders.") else upstream.ticks
            numbers.append(await call(redis, "seed", "XADD", dead(stream), "*", *words))

        numbers = []
        operator.seed(seed)
        return numbers[0].decode()

    return write


def length(operator, stream):
    found = []

    async def look(upstream):
        found.append(await call(upstream.orders, "look", "XLEN", stream))

    operator.seed(look)
    return found[0]


def test_list_and_show_say_what_was_given_up_and_why(operator, letter):
    number = letter(b"{nonsense")
    letter(b"x", stream="ticks.enriched.v1.0")
    said = operator.run("dlq", "list", "--json")
    assert said.exit_code == 0, said.output
    listed = [json.loads(each) for each in said.stdout.splitlines()]
    assert sorted(each["stream"] for each in listed) == [STREAM, "ticks.enriched.v1.0"]
    assert operator.run("dlq", "list", "--reason", "other").stdout == ""
    shown = json.loads(operator.run("dlq", "show", STREAM, number, "--json").stdout)
    assert (shown["reason"], shown["fields"]) == ("malformed", {"json": "{nonsense"})
    assert "not a command" in shown["decoded"]
    assert operator.run("dlq", "show", STREAM, "5-5").exit_code == 4


def test_replay_of_a_command_needs_a_name_and_leaves_an_audit(operator, letter):
    number = letter(GOOD)
    words = ["dlq", "replay", STREAM, number]
    assert operator.run(*words).exit_code == 2
    assert operator.run(*words, "--by", "Ann", "--dry-run").exit_code == 0
    assert length(operator, STREAM) == 0
    assert operator.run(*words, "--by", "Ann").exit_code == 0
    assert [length(operator, each) for each in (STREAM, dead(STREAM))] == [1, 0]
    assert length(operator, dead(STREAM) + ".audit") == 1
    assert operator.run(*words, "--by", "Ann").exit_code == 4


@pytest.mark.parametrize("body", [b"{nonsense", LATE % (NOW_NS // 1000)])
def test_replay_of_what_may_not_go_is_refused(operator, letter, body):
    number = letter(body)
    assert operator.run("dlq", "replay", STREAM, number, "--by", "Ann").exit_code == 1
    assert [length(operator, each) for each in (STREAM, dead(STREAM))] == [0, 1]


def test_purge_of_commands_needs_a_name_and_keeps_them_in_the_audit(operator, letter):
    number = letter(b"{nonsense")
    assert operator.run("dlq", "purge", STREAM, number).exit_code == 2
    result = operator.run("dlq", "purge", STREAM, number, "9-9", "--by", "Ann", "--json")
    assert json.loads(result.stdout)["thrown_away"] == 1
    assert length(operator, dead(STREAM) + ".audit") == 1


def test_letters_of_ticks_are_thrown_away_without_a_name(operator, letter):
    number = letter(b"x", stream="ticks.enriched.v1.0")
    assert operator.run("dlq", "purge", "ticks.enriched.v1.0", number).exit_code == 0
    assert operator.run("dlq", "list").stdout == ""
