"""Which parts of a log line nobody may read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from shared.secret import Secret

HIDDEN: Final = "***"

_NAMES: Final = (
    r"access_token|request_token|refresh_token|public_token|enctoken|api_?key|api_?secret"
    r"|client_secret|password|passwd|secret|checksum|totp|cookie|token"
)
_SECRET_KEY: Final = re.compile(rf"(?:^|.*[_.])(?:{_NAMES}|authorization|signature)$")
#: Kite calls an instrument's number a token, a lease's number is a fencing token: both are public.
_PUBLIC_KEY: Final = re.compile(r"(?:instrument|underlying|fencing)_token$")
_PAIR: Final = re.compile(
    rf"""\b((?:{_NAMES})["']?\s*[=:]\s*["']?)(?!\*\*\*)[^\s"'&,;)}}\]]+""",
    re.IGNORECASE,
)
_AUTHORIZATION: Final = re.compile(
    r"""\b(authorization["']?\s*[=:]\s*["']?(?:token|bearer|basic)?\s*)(?!\*\*\*)[^\s"',;)}\]]+""",
    re.IGNORECASE,
)
_CREDENTIALS: Final = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s@/]+(?=@)", re.IGNORECASE)
#: A value deeper than this is not a log line's fact any more.
DEPTH_MAX: Final = 8


def redact_text(text: str) -> str:
    """Hide `name=value` pairs, authorization headers and passwords inside URLs."""
    text = _CREDENTIALS.sub(rf"\1{HIDDEN}", text)
    text = _AUTHORIZATION.sub(rf"\1{HIDDEN}", text)
    return _PAIR.sub(rf"\1{HIDDEN}", text)


def is_secret_key(key: str) -> bool:
    """Tell whether a fact of this name is hidden whatever it holds."""
    name = key.lower().replace("-", "_")
    return bool(_SECRET_KEY.match(name)) and not _PUBLIC_KEY.search(name)


def redact(value: object, depth: int = 0) -> object:
    """Return the value without its secrets; containers are copied, never changed."""
    if isinstance(value, Secret) or depth > DEPTH_MAX:
        return HIDDEN
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {key: _redact_entry(str(key), inner, depth) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redact(inner, depth + 1) for inner in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return redact_text(repr(value))


def _redact_entry(key: str, value: object, depth: int) -> object:
    # Every secret is text: a number under such a name is an instrument's or a count.
    if is_secret_key(key) and not (value is None or isinstance(value, bool | int | float)):
        return HIDDEN
    return redact(value, depth + 1)
