"""What an answer of Kite's means, decided by an allow-list: whatever is not on it is unknown.

Sources of the rule: kite.trade/forum comments 41029 (read the order book after any answer to a
placement but 400) and 35732 (a 400 "timed out" whose order appeared 8 s later).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from shared.errors import (
    KiteError,
    KiteOutcomeUnknown,
    KiteRejected,
    KiteSessionExpired,
    KiteThrottled,
    KiteUnavailable,
)
from shared.kite.limits import THROTTLED_PAUSE_S, THROTTLED_PAUSE_S_MAX
from shared.kite.refusals import AMBIGUOUS, REFUSALS, Refusal
from shared.kite.rest import Answer, Request

OK: Final = 200
FORBIDDEN: Final = 403
TOO_MANY: Final = 429
_CLIENT_ERRORS: Final = range(400, 500)
MESSAGE_CHARACTERS_MAX: Final = 1_000
_SESSION_DEAD: Final = "TokenException"
_RATE_LIMITED: Final = "NetworkException"
_SECONDS: Final = re.compile(r"\A[0-9]{1,6}\Z")


@dataclass(frozen=True, slots=True)
class Body:
    """Kite's envelope; `data` is its JSON untouched, `readable` says whether it is one at all."""

    readable: bool
    succeeded: bool = False
    data: bytes = b""
    message: str = ""
    error_type: str = ""


class _Envelope(msgspec.Struct, frozen=True):
    status: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")
    message: Any = ""
    error_type: Any = ""


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


def envelope(answer: Answer) -> Body:
    """Read the envelope; HTML, cut JSON and everything else unexpected is not readable."""
    if "json" not in answer.content_type:
        return Body(readable=False)
    try:
        found = _ENVELOPE.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Body(readable=False)
    error_type = found.error_type if isinstance(found.error_type, str) else ""
    return Body(
        readable=True,
        succeeded=found.status == "success" and not error_type,
        data=bytes(found.data),
        message=str(found.message or "")[:MESSAGE_CHARACTERS_MAX],
        error_type=error_type,
    )


def written(request: Request, answer: Answer) -> bytes:
    """Return the data of a call that changes something, if Kite says that it did.

    Raises:
        KiteRejected: the refusal is on the allow-list: nothing happened.
        KiteSessionExpired: the token is dead: nothing happened.
        KiteThrottled: a 429 in Kite's own words: nothing happened.
        KiteOutcomeUnknown: everything else.
    """
    body = envelope(answer)
    if answer.status == OK and body.succeeded:
        return body.data
    if not body.readable:
        raise KiteOutcomeUnknown(
            f"{request.name}: HTTP {answer.status} without Kite's envelope", status=answer.status
        )
    if answer.status == TOO_MANY and body.error_type == _RATE_LIMITED:
        raise _throttled(body, answer)
    if refusal_of(body.error_type, answer.status, body.message) is not None:
        raise _rejected(body, answer)
    raise KiteOutcomeUnknown(
        f"{request.name}: HTTP {answer.status} {body.error_type or 'without error_type'}"
        f" is not a known refusal: {body.message}",
        status=answer.status,
    )


def read(request: Request, answer: Answer) -> bytes:
    """Return the data of a call that changes nothing.

    Raises:
        KiteSessionExpired: the token is dead.
        KiteThrottled: the rate limit refused the call.
        KiteRejected: another 4xx in Kite's own words.
        KiteUnavailable: everything else; ask again.
    """
    body = envelope(answer)
    if answer.status == OK and body.succeeded:
        return body.data
    raise _unread(request, answer, body)


def read_csv(request: Request, answer: Answer) -> bytes:
    """Return the CSV of a call that changes nothing; raises as `read` does."""
    if answer.status == OK and "csv" in answer.content_type:
        return answer.body
    raise _unread(request, answer, envelope(answer))


def refusal_of(error_type: str, status: int, message: str) -> Refusal | None:
    """Return the allow-list's entry that proves that nothing happened, or None."""
    if any(pattern.search(message) for pattern in AMBIGUOUS):
        return None
    for refusal in REFUSALS:
        same_kind = refusal.error_type == error_type and refusal.status == status
        if same_kind and refusal.pattern.search(message):
            return refusal
    return None


def refusal_code(error: KiteRejected) -> str:
    """Return the code of a rejection, such as `egress_blocked`; "" if it is on no list."""
    found = refusal_of(error.error_type, error.status, str(error))
    return found.code if found else ""


def _unread(request: Request, answer: Answer, body: Body) -> KiteError:
    if answer.status == TOO_MANY:
        return _throttled(body, answer)
    if body.error_type and answer.status in _CLIENT_ERRORS:
        return _rejected(body, answer)
    return KiteUnavailable(f"{request.name}: HTTP {answer.status} {body.error_type}".rstrip())


def _rejected(body: Body, answer: Answer) -> KiteRejected:
    kind = KiteRejected
    if answer.status == FORBIDDEN and body.error_type == _SESSION_DEAD:
        kind = KiteSessionExpired
    return kind(body.message, error_type=body.error_type, status=answer.status)


def _throttled(body: Body, answer: Answer) -> KiteThrottled:
    pause_s = THROTTLED_PAUSE_S
    if _SECONDS.match(answer.retry_after):
        pause_s = min(max(float(answer.retry_after), THROTTLED_PAUSE_S), THROTTLED_PAUSE_S_MAX)
    return KiteThrottled(body.message or "HTTP 429", retry_after_s=pause_s)
