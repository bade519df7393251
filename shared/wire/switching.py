"""Commands that say what may be sent; they take effect when they are claimed, before any other."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from shared.wire.order_fields import Head, StrategyId

Scope = Literal["account", "strategy", "global"]
By = Annotated[str, Meta(min_length=1, max_length=64)]
Sentence = Annotated[str, Meta(max_length=200)]


class Halt(Head, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="halt"):
    """Send nothing but cancels: for the account of the stream, a strategy or everything."""

    by: By
    scope: Scope = "account"
    subject: StrategyId = ""
    sentence: Sentence = ""


class Reduce(Head, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="reduce"):
    """Send only what certainly reduces what is held."""

    by: By
    scope: Scope = "account"
    subject: StrategyId = ""
    sentence: Sentence = ""


class Resume(Head, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="resume"):
    """Send everything again that no other switch holds; not for everything at once."""

    by: By
    scope: Literal["account", "strategy"] = "account"
    subject: StrategyId = ""
    sentence: Sentence = ""
