"""What each process finds in its environment, as a table."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from msgspec import Struct

from deploy.local.acl import Role
from deploy.local.places import private_directory, write_private
from shared.secret import Secret

Worker = Literal["ingest", "enrich", "executor", "publisher"]
#: In the order in which they are drained: who feeds others stops first.
WORKERS: tuple[Worker, ...] = ("ingest", "enrich", "executor", "publisher")

#: What we decide ourselves, whatever the shell we were called from says.
_OURS = (
    "REDIS_URL",
    "POSTGRES_URL",
    "TICKS_BACKEND",
    "TICKFLOW_TICKS__BACKEND",
    "TICKFLOW_REDIS__TICKS_URL",
    "TICKFLOW_REDIS__ORDERS_URL",
    "TICKFLOW_POSTGRES__URL",
    "TICKFLOW_KITE__REST_URL",
    "TICKFLOW_KITE__LOGIN_URL",
    "TICKFLOW_KITE__WS_URL",
    "TICKFLOW_ACCOUNT__ID",
    "TICKFLOW_ACCOUNT__API_KEY",
    "TICKFLOW_ACCOUNT__API_SECRET",
    "TICKFLOW_ACCOUNT__ACCESS_TOKEN",
    "TICKFLOW_PROBE__PORT",
    "TICKFLOW_PUBLISHER__PORT",
    "TICKFLOW_HTTP__TRADING_URL",
    "TICKFLOW_LOG__FORMAT",
    "PYTHONPATH",
)
_LOCAL_PREFIX = "TICKFLOW_LOCAL__"
_KEY_BYTES = 32
_SIGNING_KEYS = "TICKFLOW_WEBHOOKS__SIGNING_KEYS"
_ALLOWED_NETWORKS = "TICKFLOW_WEBHOOKS__ALLOWED_NETWORKS"


class Account(Struct, frozen=True):
    """An account of the sandbox, as it prints it."""

    id: str
    api_key: str
    api_secret: str
    access_token: str


class Sandbox(Struct, frozen=True):
    """The one line the sandbox prints when it listens."""

    rest_url: str
    ws_url: str
    control_url: str
    accounts: list[Account]


class Urls(Struct, frozen=True):
    """The servers as one role reaches them."""

    ticks: Secret
    orders: Secret
    postgres: Secret


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what children keep of our own environment: all but what a local run decides."""
    decided = {*_OURS, *(f"{name}_FILE" for name in _OURS)}
    return {
        name: value
        for name, value in environment.items()
        if name not in decided and not name.startswith(_LOCAL_PREFIX)
    }


def plain(sandbox: Sandbox) -> dict[str, str]:
    """Return the settings of every worker that are no secrets."""
    account = sandbox.accounts[0]
    return {
        "TICKFLOW_KITE__REST_URL": sandbox.rest_url,
        "TICKFLOW_KITE__WS_URL": sandbox.ws_url,
        "TICKFLOW_ACCOUNT__ID": account.id,
        "TICKFLOW_ACCOUNT__API_KEY": account.api_key,
        "TICKFLOW_LOG__FORMAT": "json",
    }


def subscriber_key(file: Path) -> str:
    """Return the key of the one subscriber a local run lets in, made at the first start."""
    if not file.exists():
        write_private(file, secrets.token_urlsafe(_KEY_BYTES))
    return file.read_text()


def subscribers(key: str, account: Account, given: Mapping[str, str]) -> dict[str, str]:
    """Return who may subscribe at the publisher; what somebody has set already stays."""
    digest = hashlib.sha256(key.encode()).hexdigest()
    scopes = f"ticks+wants+orders:{account.id}+trade:{account.id}"
    ours = {
        "TICKFLOW_PUBLISHER__KEYS": f"local:{scopes}:{digest}",
        "TICKFLOW_PUBLISHER__ACCOUNTS": account.id,
    }
    return {name: value for name, value in ours.items() if name not in given}


def webhooks(file: Path, given: Mapping[str, str]) -> dict[str, str]:
    """Return what lets webhooks work on this machine; what somebody has set already stays.

    The key is made at the first start. Receivers may listen here: elsewhere loopback is refused.
    """
    if not file.exists():
        write_private(file, secrets.token_urlsafe(_KEY_BYTES))
    ours = {}
    if _SIGNING_KEYS not in given and f"{_SIGNING_KEYS}_FILE" not in given:
        ours[f"{_SIGNING_KEYS}_FILE"] = str(file)
    if _ALLOWED_NETWORKS not in given:
        ours[_ALLOWED_NETWORKS] = "127.0.0.0/8"
    return ours


def operator(probes: Mapping[Worker, int], publisher_port: int) -> dict[str, str]:
    """Return where the operator's command finds the workers."""
    named = [f"{name}=http://127.0.0.1:{port}" for name, port in probes.items()]
    return {
        "TICKFLOW_OPS__PROBES": ",".join(named),
        "TICKFLOW_OPS__PUBLISHER_URL": f"http://127.0.0.1:{publisher_port}",
    }


def ports(probe: int, publisher: int, kite: int) -> dict[str, str]:
    """Return where a worker listens; only the publisher reads the second and the third."""
    return {
        "TICKFLOW_PROBE__PORT": str(probe),
        "TICKFLOW_PUBLISHER__PORT": str(publisher),
        "TICKFLOW_PUBLISHER__KITE_ENABLED": "true",
        "TICKFLOW_PUBLISHER__KITE_PORT": str(kite),
    }


def revealed(urls: Urls, account: Account) -> dict[str, str]:
    """Return a role's secrets as settings; they belong into a file that only we may read."""
    return {
        "TICKFLOW_REDIS__TICKS_URL": urls.ticks.reveal(),
        "TICKFLOW_REDIS__ORDERS_URL": urls.orders.reveal(),
        "TICKFLOW_POSTGRES__URL": urls.postgres.reveal(),
        "TICKFLOW_ACCOUNT__API_SECRET": account.api_secret,
        "TICKFLOW_ACCOUNT__ACCESS_TOKEN": account.access_token,
    }


def secret_files(directory: Path, role: Role, urls: Urls, account: Account) -> dict[str, str]:
    """Write a role's secrets as files only we may read; return the settings that name them."""
    place = private_directory(directory / role)
    named = {}
    for name, text in revealed(urls, account).items():
        file = place / name.removeprefix("TICKFLOW_").lower()
        write_private(file, text)
        named[f"{name}_FILE"] = str(file)
    return named


def trading_file(directory: Path, commands: Secret) -> dict[str, str]:
    """Write the URL with which the publisher may write commands; return the setting naming it."""
    file = private_directory(directory / "publisher") / "http__trading_url"
    write_private(file, commands.reveal())
    return {"TICKFLOW_HTTP__TRADING_URL_FILE": str(file)}


def shell_text(settings: Mapping[str, str]) -> str:
    """Return settings as a file that a shell reads with `.`; the values need no escaping."""
    lines = [f"{name}='{value}'" for name, value in sorted(settings.items())]
    return "\n".join(["# Read it with: set -a; . <this file>; set +a", *lines, ""])
