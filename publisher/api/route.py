"""One address of /v1 as data: what it takes, what it answers, who may ask."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from publisher.access.auth import Principal
from publisher.api.errors import invalid, unreadable
from publisher.api.pagination import CURSOR_CHARACTERS_MAX, PAGE_DEFAULT, PAGE_MAX

Q = TypeVar("Q", bound=Struct)

#: Which of a key's buckets a request is taken from.
Allowance = Literal["read", "write", "cancel", "none"]
Account = Annotated[str, Meta(pattern=r"\A[A-Z0-9]{2,16}\Z")]
Cursor = Annotated[str, Meta(max_length=CURSOR_CHARACTERS_MAX)]
Limit = Annotated[int, Meta(ge=1, le=PAGE_MAX)]


class Nothing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """No parameters."""


class PageQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which page of a list."""

    limit: Limit = PAGE_DEFAULT
    cursor: Cursor | None = None


class AccountQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose; may be left out where there is one account only."""

    account: Account | None = None


class AccountPageQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which page of an account's list."""

    account: Account | None = None
    limit: Limit = PAGE_DEFAULT
    cursor: Cursor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, its key found good; `query` holds each parameter once."""

    principal: Principal
    request_id: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    remote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is said: a body of the route's type."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Handle = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """An address with its method; the OpenAPI document is made of these."""

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    summary: str
    handle: Handle
    answers: Mapping[int, Any]
    query: type[Struct] = Nothing
    body: Any = None
    body_note: str = ""
    allowance: Allowance = "read"
    #: Statuses of refusals beyond those that any request may meet.
    refusals: tuple[int, ...] = ()
    needs_key: bool = True
    #: Scope without which the key is refused, as a reader sees it.
    scope: str = ""

    @property
    def name(self) -> str:
        """Return what metrics and the document call it."""
        words = [part for part in self.path.strip("/").split("/")[1:] if not part.startswith("{")]
        one = "_one" if self.path.endswith("}") else ""
        return f"{self.method.lower()}_{'_'.join(words).replace('.', '_').replace('-', '_')}{one}"


def parameters(call: Call, kind: type[Q]) -> Q:
    """Return the query's parameters as the route declares them.

    Raises:
        HttpRefusal: one is unknown, or not as declared.
    """
    try:
        return msgspec.convert(dict(call.query), kind, strict=False)
    except msgspec.ValidationError as error:
        said = msgspec.json.encode(dict(call.query))
        raise unreadable(error, said, kind, within="query") from error


def body_of(call: Call, kind: type[Q]) -> Q:
    """Return the body as the route declares it.

    Raises:
        HttpRefusal: it is no JSON, or not as declared.
    """
    try:
        return msgspec.json.decode(call.body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise unreadable(error, call.body, kind) from error


def one_of(permitted: list[str], asked: str | None, what: str) -> str:
    """Return the account that is meant.

    Raises:
        HttpRefusal: none was named and it is not clear which one, or it is not permitted.
    """
    if asked is None:
        if len(permitted) == 1:
            return permitted[0]
        raise invalid("query.account", f"name the account to {what}: ?account=")
    if asked not in permitted:
        raise invalid("query.account", f"the key may not {what} {asked}, or it is not known here")
    return asked
