"""Commands on mutual funds. Zerodha has switched their writing off; see docs/orders.md."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta

from shared.wire.order_fields import Head, OrderId, Price, Side

Isin = Annotated[str, Meta(pattern=r"\A[A-Z]{2}[A-Z0-9]{10}\Z")]
#: Number of instalments; -1 goes on until it is cancelled.
Instalments = Annotated[int, Meta(ge=-1, le=9999)]
Frequency = Literal["weekly", "monthly", "quarterly"]
InstalmentDay = Annotated[int, Meta(ge=0, le=31)]


class MfPlace(Head, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="mf_place"):
    """Buy a fund for an amount, or sell units of it."""

    tradingsymbol: Isin
    transaction_type: Side
    quantity: Decimal | None = None
    amount: Price | None = None


class MfCancel(Head, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="mf_cancel"):
    """Cancel a mutual-fund order."""

    order_id: OrderId


class SipPlace(Head, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="sip_place"):
    """Begin a systematic investment plan."""

    tradingsymbol: Isin
    amount: Price
    instalments: Instalments
    frequency: Frequency
    initial_amount: Price | None = None
    instalment_day: InstalmentDay | None = None


class SipModify(Head, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="sip_modify"):
    """Change a plan; what is absent stays."""

    sip_id: OrderId
    amount: Price | None = None
    status: Literal["active", "paused"] | None = None
    instalments: Instalments | None = None
    frequency: Frequency | None = None
    instalment_day: InstalmentDay | None = None


class SipCancel(Head, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="sip_cancel"):
    """End a plan."""

    sip_id: OrderId
