"""Why a request is not carried out, in one shape for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from shared.errors import PipelineError
from shared.wire.codec import JSON_FIELD
from shared.wire.unreadable import explain

#: What a caller reads of what was wrong with its request.
MESSAGE_CHARACTERS_MAX = 400


class HttpRefusal(PipelineError):
    """A request ends here: status, a code of a closed set, a sentence, the field it is about."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        field: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message[:MESSAGE_CHARACTERS_MAX]
        self.field = field
        self.headers = dict(headers or {})


def invalid(field: str, message: str) -> HttpRefusal:
    """Return the refusal of a value."""
    return HttpRefusal(422, "invalid", message, field=field)


def unreadable(error: Exception, body: bytes, kind: Any, *, within: str = "") -> HttpRefusal:
    """Return the refusal of a body that is no `kind`, with field, value and rule."""
    if not isinstance(error.__cause__ or error, msgspec.ValidationError):
        return HttpRefusal(400, "malformed", f"the body is no JSON: {error}")
    reason = explain(str(error), {JSON_FIELD: body}, kind)
    field = ".".join(filter(None, (within, reason.field)))
    return invalid(field, f"{within}.{reason.sentence}" if within else reason.sentence)


def not_found(what: str) -> HttpRefusal:
    """Return the refusal of something that is not there."""
    return HttpRefusal(404, "not_found", f"{what} is not known")


def forbidden(scope: str) -> HttpRefusal:
    """Return the refusal for want of a scope."""
    return HttpRefusal(403, "forbidden", f"the key has not the scope {scope}")


def away(what: str) -> HttpRefusal:
    """Return the refusal while a server is away."""
    return HttpRefusal(
        503, "unavailable", f"{what} cannot be reached at the moment", headers={"Retry-After": "1"}
    )


def not_configured(what: str, setting: str) -> HttpRefusal:
    """Return the refusal of what this publisher was not set up for."""
    return HttpRefusal(503, "not_configured", f"{what} is off here: the operator sets {setting}")
