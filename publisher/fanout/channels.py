"""Names of the channels whose messages are kept for everybody."""

from __future__ import annotations

ORDERS = "orders:"
UPDATES = "updates:"
CHAIN = "chain:"
