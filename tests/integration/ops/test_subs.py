"""`tickflow subs` between a real PostgreSQL and a real Redis."""

from __future__ import annotations

import asyncio
import json
from array import array
from collections.abc import Callable

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner, Result

from shared.ops.root import cli
from shared.streams.client import connect
from shared.streams.published import put_instruments
from shared.streams.settings import RedisSettings
from shared.streams.subscriptions import put_subscriptions
from shared.wire.control import Control
from shared.wire.instruments import INSTRUMENT_DTYPE
from shared.wire.subscriptions import AccountUse, SocketUse, Subscriptions
from shared.wire.topics import CONTROL

pytestmark = pytest.mark.integration
Tickflow = Callable[..., Result]
LAYOUT = Subscriptions(
    by="host-1",
    at_us=1,
    accounts=[AccountUse(account="AB1", trouble="its token is dead"), AccountUse(account="AB2")],
    sockets=[
        SocketUse(
            account="AB2",
            socket=0,
            state="connected",
            instruments=3,
            planned=3,
            modes={"ltp": 1, "full": 2},
        )
    ],
    wanted=5,
    capacity=8_700,
    headroom_per_socket=100,
    left_out_count=1,
    left_out=[408065],
    unlisted_count=1,
    unlisted=["NSE:GONE"],
)


@pytest.fixture
def tickflow(ticks_redis, postgres_url, tmp_path) -> Tickflow:
    environ = {
        "TICKFLOW_LOCAL__STATE_DIR": str(tmp_path),
        "TICKFLOW_REDIS__TICKS_URL": ticks_redis.url_for("ops").reveal(),
        "TICKFLOW_POSTGRES__URL": postgres_url.reveal(),
    }

    def run(*words: str) -> Result:
        return CliRunner().invoke(cli, ["subs", *words], env=environ)

    return run


@pytest.fixture
def on_redis(ticks_redis):
    """Give `on_redis(work)`: its result, worked out on a connection."""

    def run(work):
        async def connected():
            url = ticks_redis.url_for("ops")
            settings = RedisSettings(ticks_url=url, orders_url=url)
            async with connect(url, name="test", settings=settings) as redis:
                return await work(redis)

        return asyncio.run(connected())

    return run


def test_added_want_is_listed_announced_and_removed(tickflow, on_redis) -> None:
    terms = ["--mode", "ltp", "--priority", "70", "--reason", "hedge", "--for", "8h"]
    added = tickflow("add", "NSE:INFY", *terms, "--json")
    assert json.loads(added.stdout)["added"] == 1
    (want,) = json.loads(tickflow("list", "--json").stdout)
    assert (want["symbol"], want["mode"], want["priority"]) == ("NSE:INFY", "ltp", 70)
    assert want["expires_us"] - want["changed_us"] == 8 * 3600 * 10**6
    assert "hedge" in tickflow("list").stdout
    assert tickflow("remove", "NSE:INFY").exit_code == 0
    assert json.loads(tickflow("list", "--json").stdout) == []
    entries = on_redis(lambda redis: redis.xrange(CONTROL.name()))
    told = [msgspec.json.decode(fields[b"json"], type=Control) for _, fields in entries]
    assert [(each.kind, each.subject) for each in told] == [("wants_changed", "ops")] * 2


def test_nothing_to_remove_is_not_found(tickflow) -> None:
    assert tickflow("remove", "NSE:INFY").exit_code == 4


@pytest.mark.parametrize(
    "words",
    [
        ("add", "INFY"),
        ("add", "NSE:INFY", "--for", "soon"),
        ("add", "NSE:INFY", "--source", "Not This"),
        ("remove",),
        ("remove", "NSE:INFY", "--all"),
    ],
)
def test_malformed_want_is_refused(tickflow, words: tuple[str, ...]) -> None:
    assert tickflow(*words).exit_code == 2


def test_plan_shows_sockets_and_what_does_not_fit(tickflow, on_redis) -> None:
    assert tickflow("plan").exit_code == 4
    on_redis(lambda redis: put_subscriptions(redis, "AB1", LAYOUT))
    shown = tickflow("plan")
    assert shown.exit_code == 3
    for words in ("1 ltp, 2 full", "its token is dead", "no room for 408065", "NSE:GONE"):
        assert words in shown.stdout
    assert json.loads(tickflow("plan", "--json").stdout)["AB1"]["wanted"] == 5


def test_plan_tells_what_further_wants_would_do_before_anybody_has_them(tickflow, on_redis) -> None:
    rows = np.zeros(3, INSTRUMENT_DTYPE)
    rows["instrument_token"], rows["exchange"] = [256, 512, 768], b"NSE"
    rows["tradingsymbol"] = [b"AAA", b"BBB", b"CCC"]
    full = msgspec.structs.replace(
        LAYOUT, wanted=2, capacity=2, ranking=array("I", [256, 512]).tobytes(), priorities=[(50, 2)]
    )
    on_redis(lambda redis: put_instruments(redis, 2026112700, rows))
    on_redis(lambda redis: put_subscriptions(redis, "AB1", full))
    asked = tickflow("plan", "--add", "NSE:CCC", "--priority", "60", "--json")
    assert asked.exit_code == 3
    assert json.loads(asked.stdout)["AB1"] == {
        "placed": ["NSE:CCC"],
        "left_out": [],
        "pushed_out": ["NSE:BBB"],
        "wanted_already": [],
    }
    shown = tickflow("plan", "--add", "NSE:CCC", "--add", "NSE:AAA")
    for words in ("no room for NSE:CCC", "wanted already: NSE:AAA"):
        assert words in shown.stdout
    assert tickflow("plan", "--add", "NSE:DDD").exit_code == 4
    assert json.loads(tickflow("list", "--json").stdout) == []
