"""How to reach the two Redis instances."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from shared.secret import Secret


class RedisSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where ticks live, where orders live, how long to wait for either."""

    ticks_url: Annotated[
        Secret,
        Meta(description="Redis of ticks: redis://, rediss:// or unix://user:password@/path?db=0"),
    ]
    orders_url: Annotated[
        Secret, Meta(description="Redis of order commands and events, append-only, fsync always")
    ]
    connect_timeout_s: Annotated[
        float, Meta(gt=0, le=60, description="longest wait for a connection, in seconds")
    ] = 3.0
    answer_timeout_s: Annotated[
        float,
        Meta(ge=1, le=120, description="longest wait for an answer, blocking reads included, in s"),
    ] = 10.0
    connections_max: Annotated[
        int, Meta(ge=1, le=1000, description="connections to one instance; each reader holds one")
    ] = 32
