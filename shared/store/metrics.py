"""What is measured of PostgreSQL, in whichever worker has a pool."""

from __future__ import annotations

from typing import Final

from prometheus_client import Histogram

#: A free connection is lent within the first; the last is beyond the longest wait by default.
_BUCKETS_S: Final = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5, 10)

WAIT: Final = Histogram(
    "tickflow_postgres_connection_wait_seconds",
    "From asking the pool for a connection to having it, or to giving up.",
    buckets=_BUCKETS_S,
)
