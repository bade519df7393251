"""The answers of Kite's that prove that a write did not happen, as data.

First match wins, so the telling entries stand before the general ones of their type. A sample is
the body the entry was written from; where no full body is public, Kite's envelope round its text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Refusal:
    """One proof: exact error_type, exact status, a pattern found in the message."""

    code: str
    error_type: str
    status: int
    pattern: re.Pattern[str]
    source: str
    read_on: str
    sample: str


#: Messages that prove nothing whatever their type: the order may well exist.
#: Source: kite.trade/forum/comment 35732, HTTP 400, October 2021 (read 2026-11).
AMBIGUOUS: Final = (
    re.compile(r"tim(e|ed|ing)[ -]?out", re.IGNORECASE),
    re.compile(r"check\b.*\border ?book", re.IGNORECASE),
    re.compile(r"before placing again", re.IGNORECASE),
)

_ANY: Final = re.compile(r"")
_READ: Final = "2026-11-22"
_EXCEPTIONS: Final = "kite.trade/docs/connect/v3/exceptions"


def _sample(error_type: str, message: str) -> str:
    return f'{{"status":"error","message":"{message}","error_type":"{error_type}"}}'


def _refusal(code: str, kind: tuple[str, int], pattern: str, source: str, message: str) -> Refusal:
    error_type, status = kind
    compiled = re.compile(pattern, re.IGNORECASE) if pattern else _ANY
    return Refusal(code, error_type, status, compiled, source, _READ, _sample(error_type, message))


_INPUT: Final = ("InputException", 400)
_MARGIN: Final = ("MarginException", 400)
_HOLDING: Final = ("HoldingException", 400)
_ORDER: Final = ("OrderException", 400)
_PERMISSION: Final = ("PermissionException", 403)
_TOKEN: Final = ("TokenException", 403)

_FOREIGN_ADDRESS: Final = (
    "IP (203.0.113.9) is not allowed to place orders for this app. Update allowed IPs on the Kite"
    " developer console."
)
_NO_ADDRESS: Final = (
    "No IPs configured for this app. Add allowed IPs on the Kite developer console."
)
_FREEZE: Final = (
    "The order quantity 1000 (40 lots) is higher than the maximum quantity of 900 (36 lots)"
    " allowed by the exchanges."
)
_PROTECTION: Final = (
    "Market orders without market protection are not allowed via API. Please set market"
    " protection or use a Limit order."
)
_FUNDS: Final = "Insufficient funds. Required margin is 95417.84 but available margin is 74251.80."
_REPORTS: Final = "public client logs of 2026, many independent ones with the same text"

REFUSALS: Final = (
    _refusal("session_expired", _TOKEN, "", _EXCEPTIONS, "Incorrect `api_key` or `access_token`."),
    _refusal(
        "egress_blocked", _PERMISSION, r"IP .*not allowed to place", _REPORTS, _FOREIGN_ADDRESS
    ),
    _refusal("egress_blocked", _PERMISSION, r"No IPs configured", _REPORTS, _NO_ADDRESS),
    _refusal(
        "not_permitted", _PERMISSION, "", _EXCEPTIONS, "Insufficient permission for that call."
    ),
    # The type of the address refusal has been seen to move; its text has not.
    _refusal("egress_blocked", _INPUT, r"IP .*not allowed to place", _REPORTS, _FOREIGN_ADDRESS),
    _refusal("egress_blocked", _INPUT, r"No IPs configured", _REPORTS, _NO_ADDRESS),
    _refusal(
        "market_protection",
        _INPUT,
        r"without market protection",
        "kite.trade/forum/15912 (in force 2026-04-01)",
        _PROTECTION,
    ),
    _refusal(
        "freeze_quantity",
        _INPUT,
        r"higher than the maximum quantity",
        "kite.trade/forum, freeze quantity refusals of 2025",
        _FREEZE,
    ),
    _refusal(
        "being_processed",
        _INPUT,
        r"cannot be modified as it is being processed",
        "kite.trade/forum, modify refusals",
        "Order cannot be modified as it is being processed. Try later.",
    ),
    _refusal(
        "request_cap",
        _INPUT,
        r"Maximum allowed order (requests|modifications) exceeded",
        "kite.trade/forum/12851",
        "Maximum allowed order requests exceeded",
    ),
    _refusal(
        "request_cap",
        _ORDER,
        r"\AMaximum allowed order (requests|modifications) exceeded",
        "kite.trade/forum/12851",
        "Maximum allowed order requests exceeded",
    ),
    _refusal("bad_input", _INPUT, "", _EXCEPTIONS, "Invalid `tradingsymbol`."),
    _refusal("margin", _MARGIN, "", "zerodha/kiteconnect-mocks autoslice_response.json", _FUNDS),
    _refusal(
        "edis_needed",
        ("HoldingException", 428),
        r"authori[sz]|\be-?dis\b|\btpin\b",
        _EXCEPTIONS,
        "Please authorise your holdings to sell them.",
    ),
    _refusal("holding", _HOLDING, "", _EXCEPTIONS, "Insufficient stock holding."),
)
