"""Why a request is not carried out, in one shape for all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from shared.errors import PipelineError

#: What a caller reads of what was wrong with its request.
MESSAGE_CHARACTERS_MAX = 400
_AT = re.compile(r" - at `\$\.?(.*?)`\Z")
_NAMED = re.compile(r"(?:required field|unknown field) `([^`]{1,64})`")


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


def unreadable(error: Exception, *, within: str = "") -> HttpRefusal:
    """Return the refusal of what msgspec could not read, with the field it names."""
    text = str(error)
    at = _AT.search(text)
    rule = text[: at.start()] if at else text
    path = at.group(1) if at else ""
    named = _NAMED.search(rule)
    if named:
        path = f"{path}.{named.group(1)}" if path else named.group(1)
    field = ".".join(filter(None, (within, path)))
    return invalid(field, f"{field}: {rule}" if field else rule)


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
