"""What each process finds in its environment."""

from __future__ import annotations

import shlex
import stat
from pathlib import Path

import pytest

from deploy.local.environment import (
    Account,
    Sandbox,
    Urls,
    inherited,
    operator,
    plain,
    ports,
    secret_files,
    shell_text,
    subscriber_key,
    subscribers,
    webhooks,
)
from publisher.access.auth import read_keyring
from publisher.settings import PublisherSettings
from publisher.webhooks.targets import read_networks, refuse_url
from shared.runtime.settings import load
from shared.secret import Secret

ACCOUNT = Account("SB0001", "key", "api secret", "token")
SANDBOX = Sandbox("http://127.0.0.1:1", "ws://127.0.0.1:1", "http://127.0.0.1:1/c", [ACCOUNT])
URLS = Urls(Secret("unix://a"), Secret("unix://b"), Secret("postgresql://c"))


def test_inherited_drops_what_a_local_run_decides_in_either_spelling() -> None:
    kept = inherited(
        {
            "PATH": "/bin",
            "REDIS_URL": "redis://elsewhere",
            "TICKFLOW_ACCOUNT__ACCESS_TOKEN_FILE": "/real/token",
            "TICKFLOW_KITE__REST_URL": "https://api.kite.trade",
            "TICKFLOW_LOCAL__STATE_DIR": "/x",
            "TICKFLOW_ENRICH__WORKERS": "2",
        }
    )
    assert kept == {"PATH": "/bin", "TICKFLOW_ENRICH__WORKERS": "2"}


def test_plain_settings_point_at_the_sandbox_and_hold_no_secret() -> None:
    settings = plain(SANDBOX)
    assert settings["TICKFLOW_KITE__REST_URL"] == SANDBOX.rest_url
    assert settings["TICKFLOW_ACCOUNT__ID"] == "SB0001"
    assert not {"api secret", "token"} & set(settings.values())


def test_secrets_are_files_for_their_owner_only(tmp_path: Path) -> None:
    settings = secret_files(tmp_path, "executor", URLS, ACCOUNT)
    assert all(name.endswith("_FILE") for name in settings)
    for path in map(Path, settings.values()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    token = Path(settings["TICKFLOW_ACCOUNT__ACCESS_TOKEN_FILE"])
    assert token.read_text() == "token"


def test_shell_text_is_read_back_by_a_shell() -> None:
    lines = shell_text({"TICKFLOW_A": "/with space/x", "TICKFLOW_B": "1"}).splitlines()
    words = [word for line in lines for word in shlex.split(line, comments=True)]
    assert words == ["TICKFLOW_A=/with space/x", "TICKFLOW_B=1"]


def test_ports_are_named_for_every_worker() -> None:
    assert ports(1, 2, 3) == {
        "TICKFLOW_PROBE__PORT": "1",
        "TICKFLOW_PUBLISHER__PORT": "2",
        "TICKFLOW_PUBLISHER__KITE_ENABLED": "true",
        "TICKFLOW_PUBLISHER__KITE_PORT": "3",
    }


def test_the_subscriber_s_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "subscriber.key"
    key = subscriber_key(file)
    assert subscriber_key(file) == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_publisher_is_told_the_digest_of_the_key_which_it_accepts() -> None:
    told = subscribers("k" * 40, ACCOUNT, {})
    keyring = read_keyring([told["TICKFLOW_PUBLISHER__KEYS"]])
    assert keyring
    assert "k" * 40 not in str(told)
    assert told["TICKFLOW_PUBLISHER__ACCOUNTS"] == "SB0001"


def test_keys_that_somebody_has_set_stay() -> None:
    told = subscribers("k" * 40, ACCOUNT, {"TICKFLOW_PUBLISHER__KEYS": "mine"})
    assert "TICKFLOW_PUBLISHER__KEYS" not in told


def test_webhooks_are_signed_with_a_key_made_once_and_may_reach_this_machine(
    tmp_path: Path,
) -> None:
    file = tmp_path / "webhooks.key"
    told = webhooks(file, {})
    key = file.read_text()
    assert told == {
        "TICKFLOW_WEBHOOKS__SIGNING_KEYS_FILE": str(file),
        "TICKFLOW_WEBHOOKS__ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    assert webhooks(file, {}) == told
    assert file.read_text() == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    redis = {"TICKFLOW_REDIS__TICKS_URL": "redis://a", "TICKFLOW_REDIS__ORDERS_URL": "redis://b"}
    settings = load(PublisherSettings, {**redis, **told}, name="publisher").webhooks
    assert [each.reveal() for each in settings.signing_keys] == [key]
    assert refuse_url("http://127.0.0.1:9/x", read_networks(settings.allowed_networks)) == ""


@pytest.mark.parametrize(
    "name", ["TICKFLOW_WEBHOOKS__SIGNING_KEYS", "TICKFLOW_WEBHOOKS__SIGNING_KEYS_FILE"]
)
def test_signing_keys_that_somebody_has_set_stay(tmp_path: Path, name: str) -> None:
    told = webhooks(tmp_path / "webhooks.key", {name: "mine"})
    assert told == {"TICKFLOW_WEBHOOKS__ALLOWED_NETWORKS": "127.0.0.0/8"}
    assert "TICKFLOW_WEBHOOKS__ALLOWED_NETWORKS" not in webhooks(
        tmp_path / "webhooks.key", {"TICKFLOW_WEBHOOKS__ALLOWED_NETWORKS": ""}
    )


def test_the_operator_is_told_where_the_workers_are() -> None:
    told = operator({"ingest": 1, "enrich": 2}, 3)
    assert told == {
        "TICKFLOW_OPS__PROBES": "ingest=http://127.0.0.1:1,enrich=http://127.0.0.1:2",
        "TICKFLOW_OPS__PUBLISHER_URL": "http://127.0.0.1:3",
    }
