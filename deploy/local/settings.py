"""What a person may choose about a local run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from shared.secret import Secret
from shared.store.settings import PostgresSettings
from shared.streams.settings import RedisSettings

ROOT = Path(__file__).resolve().parent.parent.parent
DEFAULT_STATE = ROOT / ".tickflow"
STATE_DIR_VARIABLE = "TICKFLOW_LOCAL__STATE_DIR"


class LocalSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a local run keeps its files, which programs it starts."""

    state_dir: Annotated[
        str, Meta(min_length=1, description="directory of data, sockets, logs; made with mode 0700")
    ] = str(DEFAULT_STATE)
    redis_binary: Annotated[
        str, Meta(description="redis-server or valkey-server; empty: looked for")
    ] = ""
    postgres_bin: Annotated[
        str, Meta(description="directory of initdb, postgres, psql; empty: the embedded ones")
    ] = ""
    start_timeout_s: Annotated[
        float, Meta(gt=0, le=1800, description="seconds until every worker has to be ready")
    ] = 180.0
    publisher_port: Annotated[
        int,
        Meta(ge=0, le=65535, description="port wished for the publisher; another if it is taken"),
    ] = 8765
    kite_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="port wished for the publisher's door of Kite's dialect; "
            "another if it is taken",
        ),
    ] = 8766


class GivenRedis(RedisSettings, frozen=True, kw_only=True):
    """Redis servers somebody runs already; an empty URL has one started."""

    ticks_url: Annotated[Secret, Meta(description="Redis of ticks; empty: started here")] = Secret(
        ""
    )
    orders_url: Annotated[Secret, Meta(description="Redis of orders; empty: started here")] = (
        Secret("")
    )


class GivenPostgres(PostgresSettings, frozen=True, kw_only=True):
    """A PostgreSQL somebody runs already; an empty URL has one started."""

    url: Annotated[Secret, Meta(description="PostgreSQL; empty: started here")] = Secret("")


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a local run reads from its environment."""

    local: LocalSettings = LocalSettings()
    redis: GivenRedis = GivenRedis()
    postgres: GivenPostgres = GivenPostgres()

    @property
    def state(self) -> Path:
        """Return the state directory, absolute."""
        return Path(self.local.state_dir).expanduser().absolute()
