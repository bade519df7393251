"""The settings of a program on the command line."""

from __future__ import annotations

import json

import pytest

from shared.ops.config import ROOMS

URLS = {
    "TICKFLOW_REDIS__TICKS_URL": "redis://u:hidden@h/0",
    "TICKFLOW_REDIS__ORDERS_URL": "redis://u:hidden@h/1",
}


def test_show_prints_only_what_was_given(run) -> None:
    result = run("config", "show", "enrich", **URLS, TICKFLOW_ENRICH__SHARDS_MAX="3")
    assert result.exit_code == 0
    assert "enrich.shards_max = 3" in result.stdout
    assert "enrich.lease_s" not in result.stdout
    assert "hidden" not in result.stdout


def test_show_effective_with_origin_prints_all_with_their_source(run) -> None:
    result = run("config", "show", "enrich", "--effective", "--origin", "--json", **URLS)
    rows = {row["name"]: row for row in json.loads(result.stdout)}
    assert rows["enrich.lease_s"]["origin"] == "default"
    assert rows["redis.ticks_url"] == {
        "name": "redis.ticks_url",
        "value": "***",
        "origin": "TICKFLOW_REDIS__TICKS_URL",
    }


def test_check_of_good_settings_says_so(run) -> None:
    result = run("config", "check", "enrich", "publisher", "--json", **URLS)
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"rooms": ["enrich", "publisher"], "ok": True}


def test_check_names_every_problem_of_every_room(run) -> None:
    result = run(
        *("config", "check", "enrich", "publisher"),
        **URLS,
        TICKFLOW_ENRICH__SHARDS_MAX="-1",
        TICKFLOW_PUBLISHER__PORT="http",
    )
    assert result.exit_code == 2
    first, second = result.stderr.splitlines()
    assert first.startswith("enrich: TICKFLOW_ENRICH__SHARDS_MAX must be")
    assert second.startswith("publisher: TICKFLOW_PUBLISHER__PORT must be")


def test_check_applies_the_rooms_own_rules(run) -> None:
    account = {
        "TICKFLOW_ACCOUNT__ID": "SB0001",
        "TICKFLOW_ACCOUNT__API_KEY": "k",
        "TICKFLOW_ACCOUNT__ACCESS_TOKEN": "t",
        "TICKFLOW_POSTGRES__URL": "postgresql:///x",
        "TICKFLOW_KITE__REST_URL": "https://api.kite.trade",
        "TICKFLOW_KITE__WS_URL": "wss://ws.kite.trade",
    }
    result = run(
        *("config", "check", "executor"),
        **URLS,
        **account,
        TICKFLOW_EXECUTOR__ALLOW_SHORT_SETTLE_TIMES="true",
    )
    assert result.exit_code == 2
    assert "loopback" in result.stderr


@pytest.mark.parametrize("room", ROOMS)
def test_env_prints_every_setting_commented_out(run, room: str) -> None:
    result = run("config", "env", room)
    assert result.exit_code == 0
    assert all(line.startswith("#") for line in result.stdout.splitlines() if line)
    assert "#TICKFLOW_REDIS__TICKS_URL=" in result.stdout


def test_unknown_room_is_a_usage_error(run) -> None:
    assert run("config", "env", "kitchen").exit_code == 2
