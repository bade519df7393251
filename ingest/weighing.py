"""How busy each underlying was, as enrichment has counted its packets."""

from __future__ import annotations

from collections.abc import Mapping

from shared.errors import MessageError, StreamError
from shared.runtime.logs import get_log
from shared.streams import weights
from shared.streams.client import Connection

log = get_log()


class CountedPackets:
    """Reads what the Redis of ticks has of the last days."""

    def __init__(self, redis: Connection) -> None:
        self._redis = redis

    async def read(self) -> Mapping[str, Mapping[int, int]]:
        """Return packets by day, yyyymmdd, by underlying; none where nothing can be read."""
        try:
            return await weights.read(self._redis)
        except (MessageError, StreamError) as error:
            log.warning("weights.unread", reason=str(error))
            return {}
