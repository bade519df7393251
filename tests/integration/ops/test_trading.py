"""Trading switches, doubts and cancels by an operator's hand."""

from __future__ import annotations

import asyncio
import json
import re

import pytest
import redis
from msgspec.structs import replace

from shared.store.journal import Journal
from shared.store.migrate import migrate
from shared.store.pool import open_pool
from shared.store.rows import NewCommand
from shared.store.seat import occupy
from shared.wire.orders import State
from tests.integration.ops.conftest import ACCOUNT
from tests.support.sandbox import sandbox_process
from tests.support.servers import patient

pytestmark = pytest.mark.integration
URL = "TICKFLOW_POSTGRES__URL"


@pytest.fixture
def database(operator, postgres_url):
    """Run something on the account's journal; the operator finds the same database."""
    operator.environ[URL] = postgres_url.reveal()

    def run(what):
        async def entered():
            async with open_pool(patient(postgres_url)) as pool:
                await migrate(pool)
                async with occupy(pool, ACCOUNT, owner="one", at_us=1) as seat:
                    journal = Journal(pool, ACCOUNT)
                    journal.sit(seat)
                    return await what(journal)

        return asyncio.run(entered())

    return run


async def in_doubt(journal):
    command = NewCommand(
        command_id="cmd-0001",
        kind="place",
        fingerprint=b"",
        encoding="json",
        payload=b"{}",
        priority=1,
    )
    async with journal.change(at_us=5) as change:
        (row,) = await change.claim([command])
        await change.save(replace(row, state=State.UNKNOWN), was=State.RECEIVED)


def states(operator):
    shown = operator.run("trading", "state", "--json").stdout.splitlines()
    return [(each["scope"], each["subject"], each["state"]) for each in map(json.loads, shown)]


def test_switches_are_set_shown_and_let_go(operator, database):
    database(in_doubt)
    assert operator.run("trading", "state").exit_code == 0
    for words in (
        ["halt"],
        ["reduce", "--account", ACCOUNT],
        ["halt", "--strategy", "mad", "--by", "Ann", "--reason", "runs away"],
        ["resume"],
    ):
        assert operator.run("trading", *words).exit_code == 0
    assert states(operator) == [
        ("account", ACCOUNT, "REDUCING"),
        ("global", "", "ACTIVE"),
        ("strategy", "mad", "HALTED"),
    ]
    shown = operator.run("trading", "status").stdout
    assert re.search(r"^HALTED +strategy mad  \(by Ann at 20\d\d-\d\d-\d\d ", shown, re.MULTILINE)
    assert operator.run("trading", "state").stdout == shown


def test_status_says_that_trading_is_halted_until_it_is_resumed(operator, database):
    database(in_doubt)
    operator.run("trading", "halt", "--account", ACCOUNT, "--by", "Ann", "--reason", "runs away")
    held = operator.run("status")
    assert held.exit_code == 3
    assert re.search(
        rf"^trading is HALTED for account {ACCOUNT}: only cancels pass "
        r"\(by Ann since 20\d\d-\d\d-\d\d [\d:.]+: runs away\)$",
        held.stdout,
        re.MULTILINE,
    )
    assert "all is well" not in held.stdout
    (switch,) = json.loads(operator.run("status", "--json").stdout)["switches"]
    assert (switch["scope"], switch["subject"], switch["state"]) == ("account", ACCOUNT, "HALTED")
    operator.run("trading", "resume", "--account", ACCOUNT)
    let_go = operator.run("status")
    assert (let_go.exit_code, "trading is" in let_go.stdout) == (0, False)


def test_halt_says_what_it_came_too_late_for_and_tells_control(operator, database):
    database(in_doubt)
    result = operator.run("trading", "halt", "--account", ACCOUNT)
    assert "nothing was on its way" in result.stderr
    told = json.loads(operator.run("trading", "reduce", "--json").stdout)
    assert (told["state"], told["outrun"]["count"], told["outrun"]["left"]) == ("REDUCING", 0, [])
    assert json.loads(operator.run("trading", "resume", "--json").stdout)["outrun"] is None
    with redis.Redis.from_url(operator.environ["TICKFLOW_REDIS__TICKS_URL"]) as server:
        hints = [json.loads(fields[b"json"]) for _, fields in server.xrevrange("control.v1")]
    assert f"account:{ACCOUNT}" in {hint["subject"] for hint in hints}


def test_halt_holds_although_the_redis_of_ticks_is_away(operator, database):
    database(in_doubt)
    away = {"TICKFLOW_REDIS__TICKS_URL": "unix:///nowhere"}
    result = operator.run("trading", "halt", **away)
    assert result.exit_code == 0
    assert "control.v1 was not told" in result.stderr
    assert ("global", "", "HALTED") in states(operator)


def test_switch_of_two_scopes_is_a_usage_error(operator, database):
    result = operator.run("trading", "halt", "--account", ACCOUNT, "--strategy", "x")
    assert result.exit_code == 2


def test_trading_without_a_database_is_a_usage_error(operator):
    assert operator.run("trading", "halt").exit_code == 2


@pytest.mark.parametrize(
    ("found", "state"), [("accepted:42", "ACCEPTED"), ("never_arrived", "REFUSED")]
)
def test_resolve_ends_a_command_with_a_name_and_a_reason(operator, database, found, state):
    database(in_doubt)
    words = ["orders", "resolve", "cmd-0001", "--as", found, "--by", "Ann", "--reason", "saw it"]
    result = operator.run(*words, "--json")
    event = json.loads(result.stdout)
    assert (event["state"], event["reason"]["sentence"]) == (state, "Ann: saw it")
    assert operator.run(*words).exit_code == 1, "it is resolved already"


@pytest.mark.parametrize("found", ["accepted:", "maybe"])
def test_resolve_as_anything_else_is_a_usage_error(operator, found):
    words = ["orders", "resolve", "cmd-0001", "--as", found, "--by", "Ann", "--reason", "x"]
    assert operator.run(*words).exit_code == 2


def test_direct_cancel_needs_no_store_and_is_journalled_later(operator, database):
    database(in_doubt)
    away = {"TICKFLOW_REDIS__ORDERS_URL": "unix:///nowhere", URL: "postgresql:///?host=/nowhere"}
    with sandbox_process(7) as sandbox:
        account = sandbox.account
        keys = {
            "TICKFLOW_KITE__REST_URL": sandbox.rest_url,
            "TICKFLOW_ACCOUNT__API_KEY": account.api_key,
            "TICKFLOW_ACCOUNT__ACCESS_TOKEN": account.access_token,
        }
        words = ["orders", "cancel", "--direct", "240101000000001", "--by", "Ann", "--json"]
        result = operator.run(*words, **away, **keys)
    told = json.loads(result.stdout)
    # There is no such order, but in words that are no certain refusal.
    assert (result.exit_code, told["state"], told["by"]) == (1, "UNKNOWN", "Ann")
    assert json.loads(operator.run("orders", "spool", "--json").stdout) == {"cancels": 1}
    assert json.loads(operator.run("orders", "spool", "--json").stdout) == {"cancels": 0}

    async def kept(journal):
        return await journal.command(told["command_id"])

    row = database(kept)
    assert (row.state, row.order_id) == (State.UNKNOWN, "240101000000001")


def test_direct_cancel_without_credentials_is_a_usage_error(operator):
    assert operator.run("orders", "cancel", "--direct", "1").exit_code == 2
