"""Whose Redis the operator means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.errors import SettingsError
from shared.ops.reach import instances, url_of
from shared.ops.settings import OpsSettings, account_of, load_operator, load_settings


def running(state: Path, **settings: str) -> dict[str, str]:
    (state / "owner.lock").write_text(str(os.getpid()))
    lines = [f"{name}='{value}'" for name, value in settings.items()]
    (state / "operator.env").write_text("\n".join(lines))
    return {"TICKFLOW_LOCAL__STATE_DIR": str(state)}


def test_settings_without_a_redis_are_those_of_the_local_run(tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("unix:///ticks\n")
    environ = running(
        tmp_path,
        TICKFLOW_REDIS__TICKS_URL_FILE=str(secret),
        TICKFLOW_KITE__REST_URL="http://127.0.0.1:1",
        TICKFLOW_ACCOUNT__ID="SB0001",
        TICKFLOW_OPS__PROBES="ingest=http://127.0.0.1:9,enrich=http://127.0.0.1:8",
    )
    settings = load_settings(environ)
    assert settings.redis.ticks_url.reveal() == "unix:///ticks"
    assert account_of(settings, None) == "SB0001"
    assert settings.probes == {"ingest": "http://127.0.0.1:9", "enrich": "http://127.0.0.1:8"}


def test_settings_that_name_a_redis_leave_the_local_run_alone(tmp_path: Path) -> None:
    environ = running(tmp_path, TICKFLOW_ACCOUNT__ID="SB0001")
    settings = load_settings({**environ, "REDIS_URL": "redis://elsewhere/0"})
    assert settings.account.id == ""
    assert settings.redis.orders_url.reveal() == "redis://elsewhere/0"


def test_settings_from_the_local_run_name_their_origin(tmp_path: Path) -> None:
    environ = running(tmp_path, TICKFLOW_ACCOUNT__ID="SB0001")
    assert load_operator(environ).origins["account.id"] == "TICKFLOW_ACCOUNT__ID"


def test_probe_without_a_name_is_refused() -> None:
    with pytest.raises(SettingsError, match="TICKFLOW_OPS__PROBES"):
        load_settings({"TICKFLOW_OPS__PROBES": "http://127.0.0.1:9101"})


def test_missing_redis_says_what_to_do() -> None:
    with pytest.raises(SettingsError, match=r"TICKFLOW_REDIS__ORDERS_URL.*tickflow up"):
        url_of(OpsSettings(), "orders")


def test_missing_account_says_what_to_do() -> None:
    with pytest.raises(SettingsError, match="--account"):
        account_of(OpsSettings(), None)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"REDIS_URL": "redis://one/0"}, ("ticks",)),
        ({"TICKFLOW_REDIS__TICKS_URL": "redis://t/0"}, ("ticks",)),
        ({"TICKFLOW_REDIS__ORDERS_URL": "redis://o/0"}, ("orders",)),
        (
            {
                "TICKFLOW_REDIS__TICKS_URL": "redis://t/0",
                "TICKFLOW_REDIS__ORDERS_URL": "redis://o/0",
            },
            ("ticks", "orders"),
        ),
    ],
)
def test_instances_are_those_that_are_named_once_each(environ, expected) -> None:
    assert instances(load_settings(environ)) == expected


def test_instance_asked_for_is_the_only_one() -> None:
    assert instances(load_settings({"REDIS_URL": "redis://one/0"}), "orders") == ("orders",)
