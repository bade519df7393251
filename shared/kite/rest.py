"""One REST call to Kite: sent at most once, answered within limits, or known not to have left.

kiteconnect is not used: it blocks, and its errors do not say whether anything was sent. A contract
test compares, method by method, what it sends with what this room sends.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from shared.errors import KiteError, KiteOutcomeUnknown, KiteUnavailable
from shared.kite.settings import KiteSettings
from shared.kite.versions import KITE_VERSION, USER_AGENT
from shared.secret import Secret

Parameters = tuple[tuple[str, str], ...]

_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_FAMILIES: Final = {"any": socket.AF_UNSPEC, "ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
_CHUNK_BYTES: Final = 64 * 1024
_HEADER_BYTES_MAX: Final = 16 * 1024
#: URLs, and kinds of patience, remembered at a time.
_URLS_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Request:
    """One call; `changes` is False only where sending it twice, or not at all, is harmless."""

    method: str
    path: str
    query: Parameters = field(default=(), repr=False)
    form: Parameters = field(default=(), repr=False)
    json: Any = field(default=None, repr=False)
    changes: bool = True
    anonymous: bool = False
    timeout_s: float | None = None

    @property
    def name(self) -> str:
        """Return method and path, which carry no secret, for messages."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What Kite answered, whole, before anybody judges it; texts are header values or ""."""

    status: int
    content_type: str
    body: bytes
    retry_after: str = ""
    server_date: str = ""


@dataclass(slots=True)
class _Progress:
    """Whether any byte of a request may have left; set before the first one does."""

    sent: bool = False


class _ConnectionDropped(Exception):
    """The connection broke under a request; not one of the vendor's, so that it never retries."""


class Listener(Protocol):
    """Whoever wants to know the time at the other side."""

    def began_ns(self) -> int:
        """Return the moment at which a request leaves."""
        ...

    def heard(self, date: str, began_ns: int) -> None:
        """Take the Date of its answer."""
        ...


@dataclass(slots=True)
class KiteRest:
    """The REST session of one account; made by `open_rest` only."""

    settings: KiteSettings
    api_key: str
    access_token: Callable[[], Secret]
    session: aiohttp.ClientSession = field(repr=False)
    listener: Listener | None = None

    async def call(self, request: Request) -> Answer:
        """Send once; return whatever was answered, refusals included.

        Raises:
            KiteUnavailable: no byte left, or the request changes nothing.
            KiteOutcomeUnknown: a changing request was sent, its answer did not arrive whole.
        """
        progress = _Progress()
        began_ns = self.listener.began_ns() if self.listener is not None else 0
        try:
            answer = await self._exchange(request, progress)
        except (aiohttp.ClientError, _ConnectionDropped, OSError) as error:
            failure = _failure(request, progress, error)
        else:
            if self.listener is not None and answer.server_date:
                self.listener.heard(answer.server_date, began_ns)
            return answer
        # Outside the handler: the vendor's errors quote the URL, which may carry a token.
        raise failure

    async def _exchange(self, request: Request, progress: _Progress) -> Answer:
        async with self.session.request(
            request.method,
            self._url(request),
            data=_body(request),
            headers=self._headers(request),
            timeout=self._timeout(request),
            allow_redirects=False,
            trace_request_ctx=progress,
        ) as response:
            return Answer(
                status=response.status,
                content_type=response.headers.get("Content-Type", ""),
                body=await self._read(response),
                retry_after=response.headers.get("Retry-After", ""),
                server_date=response.headers.get("Date", ""),
            )

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """Return the unpacked body; one that is too long is as good as none."""
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            body += chunk
            if len(body) > self.settings.body_bytes_max:
                raise aiohttp.ClientPayloadError(
                    f"answer above {self.settings.body_bytes_max} bytes"
                )
        return bytes(body)

    def _url(self, request: Request) -> URL:
        url = self.settings.rest_url.rstrip("/") + request.path
        # A query may carry a token, which is not to be remembered.
        if request.query:
            return URL(f"{url}?{urlencode(request.query)}", encoded=True)
        return _parsed(url)

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {"X-Kite-Version": KITE_VERSION, "User-Agent": USER_AGENT}
        if request.json is not None:
            headers["Content-Type"] = _JSON
        elif request.form:
            headers["Content-Type"] = _FORM
        token = self.access_token()
        if token and not request.anonymous:
            headers["Authorization"] = f"token {self.api_key}:{token.reveal()}"
        return headers

    def _timeout(self, request: Request) -> aiohttp.ClientTimeout:
        return _timeout_of(self.settings, request.timeout_s or self.settings.call_timeout_s)


@asynccontextmanager
async def open_rest(
    settings: KiteSettings, api_key: str, access_token: Callable[[], Secret]
) -> AsyncIterator[KiteRest]:
    """Enter a session for one account; the token is asked for at every call."""
    connector = aiohttp.TCPConnector(
        limit=settings.connections_max,
        # Zero would still keep connections; closing each is what zero means here.
        force_close=settings.reuse_idle_s_max == 0,
        keepalive_timeout=settings.reuse_idle_s_max or None,
        family=_FAMILIES[settings.address_family],
        local_addr=(settings.local_address, 0) if settings.local_address else None,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trace_configs=[_watch()],
        middlewares=(_once,),
        trust_env=False,
        max_line_size=_HEADER_BYTES_MAX,
        max_field_size=_HEADER_BYTES_MAX,
    ) as session:
        yield KiteRest(settings, api_key, access_token, session)


@lru_cache(maxsize=_URLS_MAX)
def _parsed(url: str) -> URL:
    """Return a URL that is encoded already; placements all go to the same few."""
    return URL(url, encoded=True)


@lru_cache(maxsize=_URLS_MAX)
def _timeout_of(settings: KiteSettings, total_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=total_s,
        connect=settings.connect_timeout_s,
        sock_connect=settings.connect_timeout_s,
        sock_read=settings.answer_timeout_s,
    )


def _body(request: Request) -> bytes | None:
    if request.json is not None:
        return msgspec.json.encode(request.json)
    return urlencode(request.form).encode() if request.form else None


def _failure(request: Request, progress: _Progress, error: Exception) -> KiteError:
    """Return what a call without an answer means; names the vendor's error, never its message."""
    what = f"{request.name}: {type(error).__name__}"
    if not progress.sent:
        return KiteUnavailable(f"{what} before anything was sent")
    if not request.changes:
        return KiteUnavailable(f"{what} before the answer was read")
    return KiteOutcomeUnknown(f"{what} after the request was sent")


def _watch() -> aiohttp.TraceConfig:
    """Note the moment before the first byte leaves: afterwards nothing is known until answered."""

    async def leaving(
        session: aiohttp.ClientSession,  # noqa: ARG001  # the vendor's signature
        context: SimpleNamespace,
        parameters: aiohttp.TraceRequestHeadersSentParams,  # noqa: ARG001
    ) -> None:
        context.trace_request_ctx.sent = True

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(leaving)
    return trace


async def _once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Pass a request on; turn a broken connection into an error that the vendor does not know.

    aiohttp sends PUT and DELETE, our modify and cancel, again by itself when the connection breaks.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise  # no connection was made, and the vendor does not retry it
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _ConnectionDropped(type(error).__name__) from error
