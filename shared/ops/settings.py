"""What the operator's command reads from its environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from shared.accounts.book_settings import AccountsSettings
from shared.accounts.settings import AccountSettings
from shared.errors import SettingsError
from shared.kite.settings import KiteSettings
from shared.ops import local_run
from shared.runtime.market_calendar import MarketSettings
from shared.runtime.settings import Loaded, load_with_origins
from shared.secret import Secret
from shared.store.settings import PostgresSettings
from shared.streams.kafka_settings import KafkaSettings, TicksSettings
from shared.streams.settings import RedisSettings

NAME = "tickflow"
Probe = Annotated[str, Meta(pattern=r"\A[a-z0-9][a-z0-9._-]*=https?://\S+\Z")]


class OpsRedis(RedisSettings, frozen=True, kw_only=True):
    """The two Redis; neither is needed by every command."""

    ticks_url: Annotated[Secret, Meta(description="Redis of ticks; empty: that of a local run")] = (
        Secret("")
    )
    orders_url: Annotated[
        Secret, Meta(description="Redis of orders; empty: that of a local run")
    ] = Secret("")


class OpsPostgres(PostgresSettings, frozen=True, kw_only=True):
    """The database: looked at by `status`, home of accounts."""

    url: Annotated[Secret, Meta(description="PostgreSQL; empty: not looked at")] = Secret("")


class OpsAccount(AccountSettings, frozen=True, kw_only=True):
    """The account that orders are for; the rest is for workers that read the same environment."""

    id: Annotated[
        str,
        Meta(pattern=r"\A[A-Z0-9]{2,16}\Z", description="account of `tickflow orders`"),
    ] = ""
    api_key: Annotated[
        str, Meta(max_length=64, description="api_key of that account; empty: another source")
    ] = ""
    access_token: Annotated[
        Secret, Meta(description="its token, before any login kept elsewhere")
    ] = Secret("")


class OpsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at, how patiently."""

    probes: Annotated[
        tuple[Probe, ...],
        Meta(
            max_length=1000,
            description="probes of the workers as name=url, e.g. ingest=http://127.0.0.1:9101",
        ),
    ] = ()
    publisher_url: Annotated[
        str, Meta(description="where subscribers reach the publisher, only shown")
    ] = ""
    probe_timeout_s: Annotated[
        float, Meta(gt=0, le=60, description="longest wait for a probe's answer, in seconds")
    ] = 2.0
    lag_s_max: Annotated[
        float, Meta(gt=0, le=3600, description="a group further behind is degraded, in seconds")
    ] = 2.0


class OpsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the `tickflow` command reads."""

    redis: OpsRedis = OpsRedis()
    ticks: TicksSettings = TicksSettings()
    kafka: KafkaSettings = KafkaSettings()
    postgres: OpsPostgres = OpsPostgres()
    account: OpsAccount = OpsAccount()
    accounts: AccountsSettings = AccountsSettings()
    kite: KiteSettings = KiteSettings()
    market: MarketSettings = MarketSettings()
    ops: OpsOptions = OpsOptions()

    @property
    def probes(self) -> dict[str, str]:
        """Return the URL of each worker's probe."""
        return dict(each.split("=", 1) for each in self.ops.probes)


def load_settings(environ: Mapping[str, str], *, config: Path | None = None) -> OpsSettings:
    """Return the settings; where nobody names a Redis, those of the pipeline running here.

    Raises:
        SettingsError: a setting is malformed or unknown.
    """
    return load_operator(environ, config=config).settings


def load_operator(environ: Mapping[str, str], *, config: Path | None = None) -> Loaded[OpsSettings]:
    """Return the settings as `load_settings` does, beside where each value came from.

    Raises:
        SettingsError: a setting is malformed or unknown.
    """
    loaded = load_with_origins(OpsSettings, environ, name=NAME, file=config)
    if loaded.settings.redis.ticks_url or loaded.settings.redis.orders_url:
        return loaded
    found = local_run.operator_environment(local_run.state_directory(environ))
    if not found:
        return loaded
    return load_with_origins(OpsSettings, local_run.beneath(environ, found), name=NAME, file=config)


def account_of(settings: OpsSettings, named: str | None) -> str:
    """Return the account that was named, else the one in the settings.

    Raises:
        SettingsError: neither is there.
    """
    account = named or settings.account.id
    if not account:
        raise SettingsError("which account? Give --account or set TICKFLOW_ACCOUNT__ID")
    return account
