"""How a worker reaches PostgreSQL."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from shared.secret import Secret


class PostgresSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One database, a small pool of connections, limits on every wait."""

    url: Annotated[
        Secret,
        Meta(
            description="postgresql:// URL of the server itself, no transaction pooler: an "
            "account's seat is a session's lock; host may be a socket's directory"
        ),
    ]
    connections_min: Annotated[
        int, Meta(ge=1, le=50, description="connections opened at start, kept open")
    ] = 2
    connections_max: Annotated[int, Meta(ge=2, le=50, description="most connections at a time")] = 8
    connect_timeout_s: Annotated[
        float, Meta(gt=0, le=60, description="seconds one connection may take to open")
    ] = 5.0
    acquire_timeout_s: Annotated[
        float, Meta(gt=0, le=60, description="seconds to wait for a free connection")
    ] = 5.0
    statement_timeout_s: Annotated[
        float, Meta(gt=0, le=60, description="seconds one statement may take, its locks included")
    ] = 10.0
    statements_cached_max: Annotated[
        int,
        Meta(ge=0, le=1000, description="prepared statements kept; 0 behind a pooler"),
    ] = 100
