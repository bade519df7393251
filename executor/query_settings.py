"""How the executor reads on behalf of others."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class QuerySettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section `queries`."""

    in_flight_max: Annotated[
        int, Meta(ge=1, le=1000, description="queries of one rate class waiting or being asked")
    ] = 32
    read_max: Annotated[int, Meta(ge=1, le=1000, description="queries taken in one read")] = 32
    deadline_s: Annotated[
        float, Meta(gt=0, le=60, description="patience with a query that names no deadline")
    ] = 10.0
    deadline_s_max: Annotated[
        float, Meta(gt=0, le=300, description="a deadline further away counts as this")
    ] = 60.0
    other_per_second_max: Annotated[
        int,
        Meta(ge=1, le=10, description="reads a second but quotes and candles; Kite: 10 with ours"),
    ] = 7
    attempts_max: Annotated[
        int, Meta(ge=1, le=10, description="calls of one query, where Kite is away or throttles")
    ] = 3
    attempt_gap_s: Annotated[
        float, Meta(ge=0.01, le=10, description="wait after a call that was not answered")
    ] = 0.5
    cached_bytes_max: Annotated[
        int, Meta(ge=0, le=1 << 30, description="answers kept for the next asker, all together")
    ] = 32 * 1024 * 1024
    drain_s: Annotated[
        float, Meta(ge=0, le=20, description="what is being asked at the stop is given so long")
    ] = 3.0
