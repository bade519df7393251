"""How we introduce ourselves to Kite."""

from __future__ import annotations

from typing import Final

#: Header X-Kite-Version. Source: kite.trade/docs/connect/v3 (read 2026-11).
KITE_VERSION: Final = "3"
USER_AGENT: Final = "tickflow/0.1"
