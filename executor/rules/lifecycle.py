"""What may become of a command, as a table.

1. Every move is in this file. A move that is not here is a bug, hence IllegalTransition.
2. Only SENDING may have reached the broker, and SENDING is committed before the first byte leaves.
3. From SENDING nothing leads back to being sent, except the proof that nothing was executed.
   A cancel alone may be issued again after UNKNOWN: cancelling twice is cancelling once.
4. The broker's own row outranks every answer: a row may correct REJECTED, UNKNOWN or MANUAL.
   An answer that comes after the row is late; it changes nothing.
5. MANUAL is at rest, not ended: nothing automatic touches it but the broker's row.
6. A placement mirrors its order. A modify is done once the broker took it. A cancel is CANCELLED
   when its order is, REJECTED when the order ended otherwise first.
7. A placement that the broker cuts up mirrors all its orders together; it is PARTIALLY_ACCEPTED
   while they are for less than was asked. The rest is never sent again.
8. A family (basket, exit, a cancel of several orders) is ACCEPTED once its parts are claimed; it
   ends when they have, PARTIALLY_ACCEPTED where only some of them are COMPLETE.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from shared.errors import IllegalTransition
from shared.wire.orders import State


class Step(StrEnum):
    """What can happen to a command."""

    REFUSE = "refuse"
    EXPIRE = "expire"
    END_UNSENT = "end_unsent"
    SPREAD = "spread"
    APPLY = "apply"
    SEND = "send"
    ACCEPT = "accept"
    ACCEPT_PART = "accept_part"
    REJECT = "reject"
    NOT_SENT = "not_sent"
    LOSE = "lose"
    REISSUE = "reissue"
    GIVE_UP = "give_up"
    PARTS_COMPLETE = "parts_complete"
    PARTS_MIXED = "parts_mixed"
    PARTS_CANCELLED = "parts_cancelled"
    PARTS_REFUSED = "parts_refused"
    SEEN_ENTERING = "seen_entering"
    SEEN_PART = "seen_part"
    SEEN_OPEN = "seen_open"
    SEEN_COMPLETE = "seen_complete"
    SEEN_CANCELLED = "seen_cancelled"
    SEEN_REJECTED = "seen_rejected"


Moves = Mapping[tuple[State, Step], State]

_S, _T = State, Step
_ANSWERS = (_T.ACCEPT, _T.ACCEPT_PART, _T.REJECT, _T.NOT_SENT, _T.LOSE)
_UNSENT = (_S.RECEIVED, _S.ADMITTED)

_BEFORE_SENDING: Final[Moves] = {
    (state, step): after
    for state in _UNSENT
    for step, after in (
        (_T.REFUSE, _S.REFUSED),
        (_T.EXPIRE, _S.EXPIRED),
        (_T.SEND, _S.SENDING),
    )
}
_ANSWERED: Final[Moves] = {
    (_S.SENDING, _T.ACCEPT): _S.ACCEPTED,
    (_S.SENDING, _T.REJECT): _S.REJECTED,
    (_S.SENDING, _T.NOT_SENT): _S.ADMITTED,
    (_S.SENDING, _T.LOSE): _S.UNKNOWN,
    (_S.UNKNOWN, _T.GIVE_UP): _S.MANUAL,
}
_ENDED_UNSENT: Final[Moves] = {(state, _T.END_UNSENT): _S.CANCELLED for state in _UNSENT}
_SEEN: Final[Moves] = {
    (state, step): after
    for state in _S
    if state not in (_S.RECEIVED, _S.CONFLICT)
    for step, after in (
        (_T.SEEN_ENTERING, _S.ACCEPTED),
        (_T.SEEN_PART, _S.PARTIALLY_ACCEPTED),
        (_T.SEEN_OPEN, _S.OPEN),
        (_T.SEEN_COMPLETE, _S.COMPLETE),
        (_T.SEEN_CANCELLED, _S.CANCELLED),
        (_T.SEEN_REJECTED, _S.REJECTED),
    )
}
_LATE: Final[Moves] = {
    (state, step): state
    for state in (
        _S.ACCEPTED,
        _S.PARTIALLY_ACCEPTED,
        _S.OPEN,
        _S.COMPLETE,
        _S.CANCELLED,
        _S.REJECTED,
    )
    for step in _ANSWERS
}
_PLACE: Final[Moves] = {
    **_BEFORE_SENDING,
    **_ENDED_UNSENT,
    **_ANSWERED,
    **_SEEN,
    **_LATE,
    (_S.SENDING, _T.ACCEPT_PART): _S.PARTIALLY_ACCEPTED,
    (_S.OPEN, _T.SEEN_ENTERING): _S.OPEN,
    **{(_S.COMPLETE, step): _S.COMPLETE for step in _T if step.startswith("seen_")},
    # The book is cleared overnight: what was open and is gone from it can be judged by nobody here.
    (_S.ACCEPTED, _T.GIVE_UP): _S.MANUAL,
    (_S.OPEN, _T.GIVE_UP): _S.MANUAL,
    (_S.PARTIALLY_ACCEPTED, _T.GIVE_UP): _S.MANUAL,
}
_MODIFY: Final[Moves] = {
    **_BEFORE_SENDING,
    **_ENDED_UNSENT,
    **_ANSWERED,
    (_S.UNKNOWN, _T.ACCEPT): _S.ACCEPTED,
    (_S.UNKNOWN, _T.REJECT): _S.REJECTED,
    # The book shows it in effect although the broker said that nothing happened.
    (_S.ADMITTED, _T.ACCEPT): _S.ACCEPTED,
}
_CANCEL: Final[Moves] = {
    **_BEFORE_SENDING,
    **_ENDED_UNSENT,
    **{(state, _T.SPREAD): _S.ACCEPTED for state in _UNSENT},
    **_ANSWERED,
    (_S.UNKNOWN, _T.REISSUE): _S.ADMITTED,
    # No book that was read since has its order, which nobody ever saw.
    (_S.UNKNOWN, _T.REJECT): _S.REJECTED,
    (_S.ACCEPTED, _T.GIVE_UP): _S.MANUAL,
    **{
        (state, step): after
        for state in (_S.ADMITTED, _S.SENDING, _S.UNKNOWN, _S.ACCEPTED)
        for step, after in (
            (_T.SEEN_CANCELLED, _S.CANCELLED),
            (_T.SEEN_COMPLETE, _S.REJECTED),
            (_T.SEEN_REJECTED, _S.REJECTED),
        )
    },
    **{(state, step): state for state in (_S.CANCELLED, _S.REJECTED) for step in _ANSWERS},
}
_FAMILY: Final[Moves] = {
    **{
        (state, step): after
        for state in _UNSENT
        for step, after in (
            (_T.REFUSE, _S.REFUSED),
            (_T.EXPIRE, _S.EXPIRED),
            (_T.END_UNSENT, _S.CANCELLED),
            (_T.SPREAD, _S.ACCEPTED),
        )
    },
    (_S.ACCEPTED, _T.PARTS_COMPLETE): _S.COMPLETE,
    (_S.ACCEPTED, _T.PARTS_MIXED): _S.PARTIALLY_ACCEPTED,
    (_S.ACCEPTED, _T.PARTS_CANCELLED): _S.CANCELLED,
    (_S.ACCEPTED, _T.PARTS_REFUSED): _S.REJECTED,
    (_S.ACCEPTED, _T.GIVE_UP): _S.MANUAL,
}
_SWITCH: Final[Moves] = {
    (_S.RECEIVED, _T.APPLY): _S.ACCEPTED,
    (_S.RECEIVED, _T.REFUSE): _S.REFUSED,
    (_S.RECEIVED, _T.EXPIRE): _S.EXPIRED,
}
_WRITES: Final = (
    *("convert", "gtt_place", "gtt_modify", "gtt_delete"),
    *("mf_place", "mf_cancel", "sip_place", "sip_modify", "sip_cancel"),
)
_SWITCHES: Final = ("halt", "reduce", "resume")
MOVES: Final[Mapping[str, Moves]] = {
    # What writes something other than an order is done, as a modify is, once the broker took it.
    **dict.fromkeys(_WRITES, _MODIFY),
    **dict.fromkeys(_SWITCHES, _SWITCH),
    "place": _PLACE,
    "modify": _MODIFY,
    "cancel": _CANCEL,
    "exit": _FAMILY,
    "basket": _FAMILY,
}

_REST: Final = frozenset(
    {_S.REFUSED, _S.MANUAL, _S.COMPLETE, _S.REJECTED, _S.CANCELLED, _S.EXPIRED, _S.CONFLICT}
)
#: States in which nothing more is done for a command, by kind.
AT_REST: Final[Mapping[str, frozenset[State]]] = {
    **dict.fromkeys((*_WRITES, *_SWITCHES), _REST | {_S.ACCEPTED}),
    "place": _REST,
    "modify": _REST | {_S.ACCEPTED},
    "cancel": _REST,
    "exit": _REST | {_S.PARTIALLY_ACCEPTED},
    "basket": _REST | {_S.PARTIALLY_ACCEPTED},
}
#: States in which nothing has left for the broker yet.
UNSENT: Final = frozenset(_UNSENT)
#: States in which the broker may have the command although it has not said so.
UNSETTLED: Final = frozenset({_S.SENDING, _S.UNKNOWN})


def advance(kind: str, state: State, step: Step) -> State:
    """Return the state after the step; it may be the same one.

    Raises:
        IllegalTransition: the life cycle of this kind has no such move.
    """
    try:
        return MOVES[kind][state, step]
    except KeyError as error:
        raise IllegalTransition(f"{kind}: no move from {state} by {step}") from error


def is_open(kind: str, state: State) -> bool:
    """Tell whether something is still to be done or to be seen."""
    return state not in AT_REST[kind]
