from __future__ import annotations

import pytest

from executor.settings import BehaviourSettings, ExecutorAccount, ExecutorSettings, check
from shared.errors import SettingsError
from shared.kite.settings import KiteSettings
from shared.secret import Secret
from shared.store.settings import PostgresSettings
from shared.streams.settings import RedisSettings


def settings(rest_url="https://api.kite.trade", **behaviour):
    return ExecutorSettings(
        account=ExecutorAccount(id="AB1234", api_key="k", access_token=Secret("t")),
        kite=KiteSettings(rest_url=rest_url),
        redis=RedisSettings(ticks_url=Secret("a"), orders_url=Secret("b")),
        postgres=PostgresSettings(url=Secret("c")),
        executor=BehaviourSettings(**behaviour),
    )


def test_defaults_fit_together():
    check(settings())


def test_longer_settle_times_are_accepted():
    check(settings(settle_s=(5, 60, 300, 600)))


@pytest.mark.parametrize("settle_s", [(1, 30, 180), (5, 30, 179), (30, 5, 180)])
def test_settle_times_that_prove_less_are_refused(settle_s):
    with pytest.raises(SettingsError, match="settle_s"):
        check(settings(settle_s=settle_s))


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost:1/", "http://[::1]:9"])
def test_short_settle_times_are_allowed_against_this_machine(url):
    check(settings(url, settle_s=(0.1, 0.2, 0.3), allow_short_settle_times=True))


@pytest.mark.parametrize(
    "url", ["https://api.kite.trade", "http://localhost.evil.example", "http://127.0.0.2:1"]
)
def test_short_settle_times_are_refused_against_anything_else(url):
    with pytest.raises(SettingsError, match="loopback"):
        check(settings(url, allow_short_settle_times=True))


@pytest.mark.parametrize(
    "reserve",
    [
        {"orders_per_second_max": 2, "cancels_per_second_reserved": 2},
        {"orders_per_minute_max": 40, "cancels_per_minute_reserved": 40},
    ],
)
def test_reserve_that_leaves_nothing_for_placements_is_refused(reserve):
    with pytest.raises(SettingsError, match="reserved must be below"):
        check(settings(**reserve))
