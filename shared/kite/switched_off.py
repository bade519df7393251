"""What Zerodha has switched off for everybody, as data with a source and a date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class SwitchedOff:
    """One group of calls that Kite documents no longer, with who says so and when it was read."""

    kinds: frozenset[str]
    sentence: str
    source: str
    read_on: str


MUTUAL_FUNDS: Final = SwitchedOff(
    kinds=frozenset({"mf_place", "mf_cancel", "sip_place", "sip_modify", "sip_cancel"}),
    sentence="Zerodha takes no mutual-fund orders through the API, since paying for them needs "
    "the bank; they can be read",
    source="kite.trade/docs/connect/v3/mutual-funds",
    read_on="2026-11-22",
)
