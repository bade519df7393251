"""The way into /v1: request ids, keys, allowances, bodies, errors, other sites' pages."""

from __future__ import annotations

import asyncio
import math
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus

from aiohttp import hdrs, web

from publisher import metrics
from publisher.access.auth import Principal
from publisher.access.quota import Quota
from publisher.api.errors import HttpRefusal, away, invalid
from publisher.api.route import Answer, Call, Route
from publisher.api.shapes import ENCODER, Error, ErrorBody
from publisher.http_settings import HttpSection
from shared.clock import Clock
from shared.errors import MessageError, SettingsError, StoreError, StreamError
from shared.runtime.logs import Log

Identify = Callable[[str], Principal | None]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

REQUEST_ID = "X-Request-ID"
_SANE_ID = re.compile(r"\A[A-Za-z0-9._:-]{1,64}\Z")
_SCHEME = "bearer"
_AS_IT_IS = "identity"
_NOBODY = Principal(name="", scopes=frozenset())
_PREFLIGHT_S = "600"
_ALLOWED_HEADERS = "Authorization, Content-Type, Idempotency-Key, X-Request-ID"
_EXPOSED_HEADERS = "X-Request-ID, Retry-After, Location, Deprecation"


class Door:
    """Turns requests into calls and answers into responses; every refusal has the one shape."""

    def __init__(
        self,
        identify: Identify,
        settings: HttpSection,
        *,
        clock: Clock,
        chance: random.Random,
        log: Log,
    ) -> None:
        if "*" in settings.cors_origins and settings.environment == "production":
            raise SettingsError(
                "http.cors_origins: * lets every page on the web call; name origins, or set "
                "http.environment to development"
            )
        self._identify = identify
        self._settings = settings
        self._clock = clock
        self._random = chance
        self._log = log
        self._quotas = {
            "read": Quota(settings.reads_per_s, settings.reads_burst),
            "write": Quota(settings.writes_per_s, settings.writes_burst),
            "cancel": Quota(settings.cancels_per_s, settings.cancels_burst),
        }
        self._strangers = Quota(settings.strangers_per_s, settings.strangers_burst)

    def handler(self, route: Route) -> Handler:
        """Return what the server calls for this route."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._respond(
                request, route.name, lambda call_id: self._serve(request, route, call_id)
            )

        return handle

    def lost(self, routes: Sequence[Route]) -> Handler:
        """Return what answers addresses under /v1 that are none, and wrong methods."""
        shapes = [
            (re.compile(re.sub(r"\{\w+\}", "[^/]+", each.path) + r"\Z"), each.method)
            for each in routes
        ]

        async def refuse(path: str) -> Answer:
            methods = sorted(method for shape, method in shapes if shape.match(path))
            if methods:
                raise HttpRefusal(
                    405,
                    "method_not_allowed",
                    f"this address takes {', '.join(methods)}",
                    headers={hdrs.ALLOW: ", ".join(methods)},
                )
            raise HttpRefusal(404, "not_found", "there is no such address: see /v1/openapi.json")

        async def handle(request: web.Request) -> web.StreamResponse:
            if request.method == hdrs.METH_OPTIONS:
                return self._preflight(request)
            return await self._respond(request, "none", lambda _: refuse(request.path))

        return handle

    async def _respond(
        self, request: web.Request, name: str, serve: Callable[[str], Awaitable[Answer]]
    ) -> web.Response:
        given = request.headers.get(REQUEST_ID, "")
        request_id = given if _SANE_ID.match(given) else f"{self._random.getrandbits(96):024x}"
        try:
            answer = await serve(request_id)
        except HttpRefusal as refusal:
            answer = _refused(refusal, request_id)
        except StreamError as error:
            self._log.warning("request.streams_away", request_id=request_id, reason=str(error))
            answer = _refused(away("Redis"), request_id)
        except StoreError as error:
            self._log.warning("request.store_away", request_id=request_id, reason=str(error))
            answer = _refused(away("PostgreSQL"), request_id)
        except MessageError as error:
            self._log.error("request.unreadable", request_id=request_id, reason=str(error))
            answer = _refused(
                HttpRefusal(502, "unreadable", "what is published or journalled is not readable"),
                request_id,
            )
        metrics.REQUESTS.labels(route=name, status=str(answer.status)).inc()
        return web.Response(
            status=answer.status,
            body=answer.body if isinstance(answer.body, bytes) else ENCODER.encode(answer.body),
            content_type="application/json",
            headers={
                hdrs.CACHE_CONTROL: "no-store",
                "X-Content-Type-Options": "nosniff",
                **answer.headers,
                **self._cors(request),
                REQUEST_ID: request_id,
            },
        )

    async def _serve(self, request: web.Request, route: Route, request_id: str) -> Answer:
        principal = self._admit(request, route)
        call = Call(
            principal=principal,
            request_id=request_id,
            path=_printable("path", dict(request.match_info)),
            query=_printable("query", _once(request)),
            headers=request.headers,
            body=await self._body(request),
            remote=request.remote or "",
        )
        return await route.handle(call)

    def _admit(self, request: web.Request, route: Route) -> Principal:
        """Return whose the key is, its allowance taken."""
        now_s = self._clock.monotonic_s()
        if not route.needs_key:
            return _NOBODY
        scheme, _, key = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        principal = self._identify(key.strip()) if scheme.lower() == _SCHEME else None
        if principal is None:
            # Behind a proxy everybody has one address: only who has no key is slowed down.
            wait_s = self._strangers.take(request.remote or "", now_s)
            if wait_s:
                raise _throttled(wait_s)
            raise HttpRefusal(
                401,
                "unauthenticated",
                "no key that opens anything: Authorization: Bearer <key>",
                headers={hdrs.WWW_AUTHENTICATE: "Bearer"},
            )
        if route.allowance != "none":
            wait_s = self._quotas[route.allowance].take(principal.name, now_s)
            if wait_s:
                raise _throttled(wait_s)
        return principal

    async def _body(self, request: web.Request) -> bytes:
        most = self._settings.body_bytes_max
        if request.headers.get(hdrs.CONTENT_ENCODING, _AS_IT_IS) != _AS_IT_IS:
            # A few bytes may unpack to very many.
            raise HttpRefusal(415, "unsupported_encoding", "bodies are taken unpacked only")
        if (request.content_length or 0) > most:
            raise _too_large(most)
        try:
            async with asyncio.timeout(self._settings.body_timeout_s):
                return await read_body(request, most)
        except TimeoutError as error:
            raise HttpRefusal(408, "too_slow", "the body did not arrive in time") from error

    def _cors(self, request: web.Request) -> Mapping[str, str]:
        origin = request.headers.get(hdrs.ORIGIN)
        if not self._settings.cors_origins:
            return {}
        headers: dict[str, str] = {hdrs.VARY: hdrs.ORIGIN}
        if origin and {origin, "*"} & set(self._settings.cors_origins):
            headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = origin
            headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = _EXPOSED_HEADERS
        return headers

    def _preflight(self, request: web.Request) -> web.Response:
        cors: dict[str, str] = dict(self._cors(request))
        if hdrs.ACCESS_CONTROL_ALLOW_ORIGIN not in cors:
            return web.Response(status=403, headers=cors)
        cors[hdrs.ACCESS_CONTROL_ALLOW_METHODS] = "GET, POST, PUT, DELETE"
        cors[hdrs.ACCESS_CONTROL_ALLOW_HEADERS] = _ALLOWED_HEADERS
        cors[hdrs.ACCESS_CONTROL_MAX_AGE] = _PREFLIGHT_S
        return web.Response(status=204, headers=cors)


async def read_body(request: web.Request, most: int) -> bytes:
    """Return the body, never holding more than its limit.

    Raises:
        HttpRefusal: it is larger, or came damaged.
    """
    parts: list[bytes] = []
    size = 0
    try:
        async for part in request.content.iter_any():
            size += len(part)
            if size > most:
                raise _too_large(most)
            parts.append(part)
    except (web.PayloadAccessError, ConnectionError, ValueError) as error:
        raise HttpRefusal(400, "damaged", "the body broke off or does not unpack") from error
    return b"".join(parts)


def _printable(where: str, values: dict[str, str]) -> dict[str, str]:
    for name, value in values.items():
        if not (value.isascii() and value.isprintable()):
            raise invalid(f"{where}.{name}", "only printable ASCII is taken here")
    return values


def _once(request: web.Request) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in request.query.items():
        if name in found:
            raise invalid(f"query.{name[:64]}", "the parameter is given twice")
        found[name] = value
    return found


def _refused(refusal: HttpRefusal, request_id: str) -> Answer:
    body = Error(
        error=ErrorBody(
            code=refusal.code, message=refusal.message, field=refusal.field, request_id=request_id
        )
    )
    return Answer(status=refusal.status, body=body, headers=refusal.headers)


def _throttled(wait_s: float) -> HttpRefusal:
    return HttpRefusal(
        HTTPStatus.TOO_MANY_REQUESTS,
        "rate_limited",
        f"too many requests: come back in {wait_s:.2f} s",
        headers={hdrs.RETRY_AFTER: str(max(1, math.ceil(wait_s)))},
    )


def _too_large(most: int) -> HttpRefusal:
    return HttpRefusal(413, "too_large", f"the body is over {most} bytes", field="body")
