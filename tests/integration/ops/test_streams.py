"""What lies in the streams; whether everything runs."""

from __future__ import annotations

import json

import pytest

from shared.clock import SystemClock
from shared.streams import groups, leases, loads
from shared.wire import topics
from shared.wire.orders import State
from tests.integration.ops.conftest import ACCOUNT
from tests.support.option_chain import chain_ticks

ENRICHED = topics.ENRICHED_TICKS.name(0)


async def some(upstream) -> None:
    await groups.create(upstream.ticks, ENRICHED, "publisher", "0")
    await upstream.enriched(chain_ticks())
    await upstream.accept_commands()
    await upstream.event("test-0001", 1, State.OPEN)


def test_info_tells_length_size_age_and_groups(operator) -> None:
    operator.seed(some)
    result = operator.run("streams", "info", "--json")
    assert result.exit_code == 0, result.stderr
    streams = {each["name"]: each for each in json.loads(result.stdout)}
    assert set(streams) == {ENRICHED, topics.COMMANDS.name(ACCOUNT), topics.EVENTS.name(ACCOUNT)}
    ticks = streams[ENRICHED]
    assert (ticks["redis"], ticks["length"]) == ("ticks", 1)
    assert ticks["bytes"] > len(chain_ticks().tobytes())
    (group,) = ticks["groups"]
    assert (group["name"], group["pending"]) == ("publisher", 0)
    assert group["lag_s"] == ticks["oldest_age_s"] == ticks["newest_age_s"]
    assert streams[topics.COMMANDS.name(ACCOUNT)]["oldest_age_s"] is None


def test_info_as_a_table_of_one_redis(operator) -> None:
    operator.seed(some)
    result = operator.run("streams", "info", "--redis", "ticks")
    assert ENRICHED in result.stdout
    assert "publisher" in result.stdout
    assert "orders." not in result.stdout


def test_info_of_no_such_stream_is_not_found(operator) -> None:
    operator.seed(some)
    assert operator.run("streams", "info", "--match", "nix*").exit_code == 4


def test_info_without_streams_says_so(operator) -> None:
    result = operator.run("streams", "info")
    assert (result.exit_code, result.stderr) == (0, "there are no streams yet\n")


def test_status_of_idle_servers_is_well(operator) -> None:
    result = operator.run("status", "--json")
    assert result.exit_code == 0, result.stdout
    said = json.loads(result.stdout)
    assert said["ok"] is True
    assert [server["name"] for server in said["servers"]] == ["redis ticks", "redis orders"]
    # Of the real server's own maxmemory: what a complaint is judged by.
    assert all(0 < server["memory_used_ratio"] < 0.95 for server in said["servers"])


@pytest.mark.parametrize(("released", "code"), [(False, 0), (True, 3)])
def test_status_shows_who_holds_which_lease(operator, released: bool, code: int) -> None:
    async def hold(upstream) -> None:
        lease = await leases.acquire(upstream.ticks, "enrich.0", "me", 60, clock=SystemClock())
        await loads.tell(upstream.ticks, "enrich", loads.Load("me", 1.0, has_room=True), 60)
        if released:
            await lease.release()

    operator.seed(hold)
    result = operator.run("status")
    assert result.exit_code == code
    assert ("nobody holds enrich.0" in result.stdout) is released
    assert "loads" not in result.stdout, "what workers tell of their load is no lease"


def test_status_with_a_silent_worker_is_degraded(operator) -> None:
    result = operator.run("status", TICKFLOW_OPS__PROBES="ingest=http://127.0.0.1:1")
    assert result.exit_code == 3
    assert "ingest is silent" in result.stdout


def test_status_with_one_redis_away_is_degraded(operator, tmp_path) -> None:
    away = f"unix://u:hidden@{tmp_path}/nobody.sock?db=0"
    result = operator.run("status", TICKFLOW_REDIS__ORDERS_URL=away)
    assert result.exit_code == 3
    assert "redis orders does not answer" in result.stdout
    assert "hidden" not in result.stdout


def test_status_with_every_redis_away_fails(operator, tmp_path) -> None:
    away = f"unix://{tmp_path}/nobody.sock?db=0"
    result = operator.run(
        *("status", "--quiet"), TICKFLOW_REDIS__ORDERS_URL=away, TICKFLOW_REDIS__TICKS_URL=away
    )
    assert (result.exit_code, result.stdout) == (1, "")


def test_status_looks_at_postgres_where_it_is_named(operator, postgres_url) -> None:
    result = operator.run("status", TICKFLOW_POSTGRES__URL=postgres_url.reveal())
    assert result.exit_code == 0, result.stdout
    assert "postgres" in result.stdout
    assert "not known" not in result.stderr, "where no executor ever was nothing is halted"


def test_status_that_cannot_tell_whether_trading_is_held_says_so(operator, tmp_path) -> None:
    assert "not known: TICKFLOW_POSTGRES__URL is not set" in operator.run("status").stderr
    away = f"postgresql://nobody@/none?host={tmp_path}"
    result = operator.run("status", TICKFLOW_POSTGRES__URL=away)
    assert "not known: PostgreSQL does not answer" in result.stderr
    assert result.exit_code == 3


def test_command_without_its_redis_fails_in_one_sentence(operator, tmp_path) -> None:
    away = f"unix://u:hidden@{tmp_path}/nobody.sock?db=0"
    result = operator.run("chain", "NIFTY", TICKFLOW_REDIS__TICKS_URL=away)
    assert result.exit_code == 1
    assert result.stderr.startswith("tickflow: Redis of ticks does not answer: ")
    assert result.stderr.count("\n") == 1
    assert "hidden" not in result.stderr
