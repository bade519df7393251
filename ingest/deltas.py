"""Deltas of held options, as enrich keeps them with the newest record of every instrument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from shared.clock import Clock
from shared.errors import MessageError, StreamError
from shared.runtime.logs import get_log
from shared.streams.client import Connection
from shared.streams.published import get_last_of

#: An older record may be of yesterday, or of a contract whose token another one has now.
AGE_S_MAX: Final = 600.0

log = get_log()


class LastDeltas:
    """Reads `ticks.last` of the Redis of ticks."""

    def __init__(self, redis: Connection, clock: Clock) -> None:
        self._redis = redis
        self._clock = clock

    async def read(self, shard: int, tokens: Sequence[int]) -> Mapping[int, float]:
        """Return deltas by token, of those that have one of late; none where nothing is read."""
        try:
            records = await get_last_of(self._redis, shard, tokens)
        except (MessageError, StreamError) as error:
            log.warning("deltas.unread", reason=str(error))
            return {}
        since_ns = self._clock.now_ns() - round(AGE_S_MAX * 1e9)
        fresh = records[(records["received_at_ns"] >= since_ns) & np.isfinite(records["delta"])]
        pairs = zip(fresh["instrument_token"].tolist(), fresh["delta"].tolist(), strict=True)
        return dict(pairs)
