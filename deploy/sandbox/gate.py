"""What every HTTP request passes on its way to a handler."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from deploy.sandbox.accounts import Account, Accounts
from deploy.sandbox.envelope import failure, plain
from deploy.sandbox.faults import AFTER_ACCEPTANCE, HTTP_ERRORS, Fault, FaultBoard, Occasion
from deploy.sandbox.limits import RequestClass, RequestLimits
from deploy.sandbox.market_clock import MarketClock
from deploy.sandbox.received import ReceivedLog
from deploy.sandbox.refusals import (
    BAD_REQUEST,
    FORBIDDEN,
    SERVER_ERROR,
    TIMED_OUT_TEXT,
    TOO_MANY_REQUESTS,
)
from shared.errors import KiteRejected, SettingsError

CONTROL_PREFIX = "/sandbox"
TICKER_PATH = "/"
HISTORY_PREFIX = "/instruments/historical"
SLOW_S = 10.0
_OPEN_PATHS = ("/session/token", "/instruments", "/connect/login")
_GATEWAY_PAGE = "<html><head><title>502 Bad Gateway</title></head><body></body></html>"
_BAD_GATEWAY = 502
_UNAVAILABLE = 503


@dataclass(frozen=True, slots=True)
class Call:
    """A request as its handler needs it: whose it is, with its form or query fields."""

    account: Account | None
    form: dict[str, str]

    def owner(self) -> Account:
        """Return the account; only for handlers behind the gate's authentication."""
        assert self.account is not None
        return self.account


CALL = web.RequestKey("call", Call)


class Gate:
    """Records, authenticates, limits and, when told to, spoils requests."""

    def __init__(
        self,
        accounts: Accounts,
        limits: RequestLimits,
        faults: FaultBoard,
        received: ReceivedLog,
        clock: MarketClock,
    ) -> None:
        self._accounts = accounts
        self._limits = limits
        self._faults = faults
        self._received = received
        self._clock = clock

    def middleware(self) -> Middleware:
        """Return the gate in the form the server takes."""

        @web.middleware
        async def pass_through(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.startswith(CONTROL_PREFIX):
                return await _control(request, handler)
            if request.path == TICKER_PATH:
                return await handler(request)
            return await self._pass(request, handler)

        return pass_through

    async def _pass(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        form = await _fields(request)
        placement = request.method == "POST" and request.path.startswith("/orders/")
        entry = self._received.add(
            at_ns=self._clock.now_ns(),
            kind="http",
            placement=placement,
            method=request.method,
            path=request.path,
            params=form,
            account="",
            status=None,
        )
        response = await self._answer(request, handler, form, entry)
        entry["status"] = None if "dropped" in entry else response.status
        return response

    async def _answer(
        self, request: web.Request, handler: Handler, form: dict[str, str], entry: dict[str, Any]
    ) -> web.StreamResponse:
        account = self._whose(request)
        user_id = account.user_id if account else ""
        entry["account"] = user_id
        occasion = Occasion(user_id, request.method, request.path)
        if self._faults.take("drop_request", occasion):
            return _drop(request, entry)
        fault = self._faults.take_any(HTTP_ERRORS, occasion)
        if fault is not None:
            entry["fault"] = fault.kind
            return _spoiled(fault)
        try:
            if account is None and not _is_open(request.path):
                self._accounts.authorize(
                    request.headers.get("Authorization", ""), self._clock.now_s()
                )
            self._limit(request, account)
            request[CALL] = Call(account, form)
            response = await handler(request)
        except KiteRejected as refusal:
            response = failure(refusal)
        except web.HTTPException as error:
            response = failure(
                KiteRejected(error.reason, error_type="GeneralException", status=error.status)
            )
        return await self._spoil_answer(request, response, occasion, entry)

    def _whose(self, request: web.Request) -> Account | None:
        header = request.headers.get("Authorization", "")
        try:
            return self._accounts.authorize(header, self._clock.now_s())
        except KiteRejected:
            return None

    def _limit(self, request: web.Request, account: Account | None) -> None:
        if account is None:
            return
        request_class = classify(request.method, request.path)
        key = account.user_id if request_class == "order" else account.api_key
        self._limits.admit(key, request_class, self._clock.now_s())

    async def _spoil_answer(
        self,
        request: web.Request,
        response: web.StreamResponse,
        occasion: Occasion,
        entry: dict[str, Any],
    ) -> web.StreamResponse:
        """Let a handled request be answered late, wrongly or not at all."""
        slow = self._faults.take("slow", occasion)
        if slow is not None:
            entry["fault"] = slow.kind
            await asyncio.sleep(SLOW_S if slow.seconds is None else slow.seconds)
        if response.status >= BAD_REQUEST:
            return response
        fault = self._faults.take_any(AFTER_ACCEPTANCE, occasion)
        if fault is None:
            return response
        entry["fault"] = fault.kind
        if fault.kind == "accept_then_drop":
            return _drop(request, entry)
        if fault.kind == "accept_then_500":
            return failure(
                KiteRejected(
                    fault.message or "Something went wrong.",
                    error_type=fault.error_type or "GeneralException",
                    status=fault.status or SERVER_ERROR,
                )
            )
        return failure(
            KiteRejected(TIMED_OUT_TEXT, error_type="OrderException", status=BAD_REQUEST)
        )


def classify(method: str, path: str) -> RequestClass:
    """Return which rate a request counts against."""
    if path.startswith("/quote"):
        return "quote"
    if path.startswith(HISTORY_PREFIX):
        return "historical"
    if path.startswith("/orders") and method != "GET":
        return "order"
    return "other"


def _is_open(path: str) -> bool:
    return path.startswith(_OPEN_PATHS) and not path.startswith(HISTORY_PREFIX)


async def _control(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except SettingsError as error:
        return plain({"error": str(error)}, BAD_REQUEST)
    except web.HTTPException as error:
        return plain({"error": error.reason}, error.status)


async def _fields(request: web.Request) -> dict[str, str]:
    """Return the request's fields; a name given several times keeps its last value here."""
    fields = dict(request.query)
    if request.method in {"POST", "PUT"}:
        posted = await request.post()
        fields.update({name: text for name, text in posted.items() if isinstance(text, str)})
    return fields


def _drop(request: web.Request, entry: dict[str, Any]) -> web.Response:
    entry["dropped"] = True
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def _spoiled(fault: Fault) -> web.Response:
    if fault.kind == "http_html":
        return web.Response(
            text=_GATEWAY_PAGE, content_type="text/html", status=fault.status or _BAD_GATEWAY
        )
    defaults = {
        "http_429": (TOO_MANY_REQUESTS, "NetworkException", "Too many requests"),
        "http_5xx": (_UNAVAILABLE, "NetworkException", "Request failed (kitetrade-oms)"),
        "http_error": (FORBIDDEN, "PermissionException", "Insufficient permission for that call."),
    }
    status, error_type, message = defaults[fault.kind]
    return failure(
        KiteRejected(
            fault.message or message,
            error_type=fault.error_type or error_type,
            status=fault.status or status,
        )
    )
