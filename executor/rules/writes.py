"""Commands that write something other than an order: what they are judged by, how they are found.

Pure. They go the way of a modify: journalled, sent once, never again after an unknown outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, get_args

import msgspec

from executor.rules.broker_rows import Row, reason_of
from executor.rules.funds import find_fund_order, find_plan, refuse_fund
from executor.rules.gtt import find_gtt, refuse_gtt
from shared.kite.switched_off import MUTUAL_FUNDS
from shared.kite.writes import Write
from shared.wire.funds import MfCancel, MfPlace, SipCancel, SipModify
from shared.wire.gtt import Convert, GttDelete, GttModify, GttPlace
from shared.wire.orders import Reason

KINDS: Final = frozenset({"gtt_place", "gtt_modify", "gtt_delete", "convert"} | MUTUAL_FUNDS.kinds)
WRITES: Final = get_args(Write)
#: These end something, so that no switch keeps them back.
ENDING: Final = frozenset({"gtt_delete", "mf_cancel", "sip_cancel"})
#: Kinds whose end each of the broker's lists shows.
#: No list shows their end: no look at the broker can settle them.
UNPROVABLE: Final = frozenset({"convert"})
GTT_KINDS: Final = frozenset({"gtt_place", "gtt_modify", "gtt_delete"})
FUND_KINDS: Final = frozenset({"mf_place", "mf_cancel"})
PLAN_KINDS: Final = frozenset({"sip_place", "sip_modify", "sip_cancel"})
FUND_TAG_CHARACTERS: Final = 8


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker shows of triggers, mutual-fund orders, plans."""

    triggers: Sequence[Row] = ()
    fund_orders: Sequence[Row] = ()
    plans: Sequence[Row] = ()


def subject_of(write: Write) -> str:
    """Return the broker's id of what a write changes, "" for what is new."""
    match write:
        case GttModify() | GttDelete():
            return str(write.trigger_id)
        case MfCancel():
            return write.order_id
        case SipModify() | SipCancel():
            return write.sip_id
        case _:
            return ""


def refuse_write(write: Write, *, has_funds: bool) -> Reason | None:
    """Return the first rule that a write breaks; `has_funds` where mutual funds may be written."""
    match write:
        case GttPlace() | GttModify():
            return refuse_gtt(write)
        case GttDelete():
            return None
        case Convert():
            if write.old_product != write.new_product:
                return None
            limit = f"another product than {write.old_product}"
            return reason_of("product_same", "new_product", write.new_product, limit)
        case _:
            return refuse_fund(write) if has_funds else SWITCHED_OFF


def find(
    write: Write, evidence: Evidence, *, sent_us: int, tag: str, taken: frozenset[str]
) -> str | None:
    """Return the broker's id of what a write of unknown outcome led to, None where it is not seen.

    `taken` are ids that belong to other commands. Nothing shows that a conversion took place.
    """
    match write:
        case GttPlace() | GttModify() | GttDelete():
            return find_gtt(write, evidence.triggers, sent_us=sent_us, taken=taken)
        case MfPlace() | MfCancel():
            return find_fund_order(write, evidence.fund_orders, sent_us=sent_us, tag=tag)
        case Convert():
            return None
        case _:
            return find_plan(write, evidence.plans, sent_us=sent_us, tag=tag)


SWITCHED_OFF: Final = Reason(
    code="switched_off",
    sentence=MUTUAL_FUNDS.sentence,
    field="kind",
    measured=f"off as of {MUTUAL_FUNDS.read_on}",
    limit=MUTUAL_FUNDS.source,
)
