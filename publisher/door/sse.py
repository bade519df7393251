"""`GET /v1/sse`: the stream for an EventSource; `POST /v1/tickets`: how it comes in."""

from __future__ import annotations

import asyncio
import secrets

import msgspec
from aiohttp import hdrs, web

from publisher import metrics
from publisher.access.tickets import GOOD_FOR_S, Tickets
from publisher.door.admission import refusal
from publisher.door.connection import Surroundings
from publisher.door.sse_request import Place, parse_query
from publisher.protocol import farewells
from publisher.protocol.farewells import Farewell, Retry
from publisher.session.session import Session
from shared.errors import MessageError

SSE_PATH, TICKETS_PATH = "/v1/sse", "/v1/tickets"
_SCHEME = "bearer "
_TICKET_BYTES = 32


class EventSources:
    """Serves subscribers that only listen; wakes them as the server does its WebSockets."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._tickets = Tickets(lambda: secrets.token_urlsafe(_TICKET_BYTES))
        self._work: dict[int, asyncio.Event] = {}
        self._is_draining = False

    def attach(self, application: web.Application) -> None:
        """Add both addresses."""
        application.add_routes(
            [web.get(SSE_PATH, self._stream), web.post(TICKETS_PATH, self._ticket)]
        )

    def wake(self, subscriber: int) -> None:
        """Have a subscriber served; nothing happens where it is none of ours."""
        work = self._work.get(subscriber)
        if work is not None:
            work.set()

    def drain(self) -> None:
        """Send everybody to another publisher."""
        self._is_draining = True
        for work in self._work.values():
            work.set()

    async def _ticket(self, request: web.Request) -> web.Response:
        clock = self._around.clock
        key = _key(request)
        desk = self._around.desk
        if not key or desk.principal_of(key, clock.now_ns() / 1e9) is None:
            return _refused(401, farewells.UNAUTHENTICATED)
        body = {"ticket": self._tickets.issue(key, clock.monotonic_s()), "good_for_s": GOOD_FOR_S}
        return web.json_response(body, headers={hdrs.CACHE_CONTROL: "no-store"})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        try:
            asked = parse_query(request.query, request.headers.get("Last-Event-ID", ""))
        except MessageError as error:
            return web.json_response(
                {"op": "error", "code": "malformed", "message": str(error)}, status=400
            )
        clock = self._around.clock
        ticket = request.query.get("ticket", "")
        key = _key(request) or self._tickets.redeem(ticket, clock.monotonic_s()) or ""
        session = self._around.desk.enter(key, now_s=clock.now_ns() / 1e9)
        if isinstance(session, Farewell):
            metrics.REFUSED.labels(reason=session.name).inc()
            return _refused(401 if session is farewells.UNAUTHENTICATED else 429, session)
        self._work[session.subscriber] = asyncio.Event()
        try:
            session.welcome(clock.now_ns())
            session.ask(asked, now_s=clock.monotonic_s())
            place = Place(self._around.desk.epoch, asked.resume)
            return await self._serve(request, session, place)
        finally:
            del self._work[session.subscriber]
            self._around.desk.leave(session)

    async def _serve(
        self, request: web.Request, session: Session, place: Place
    ) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: "no-store"}
        )
        await response.prepare(request)
        try:
            while (farewell := self._farewell(session)) is None:
                is_over = await self._tell(response, session, place)
                if is_over:
                    farewell = farewells.SLOW
                    break
            await self._part(response, farewell)
        except (TimeoutError, ConnectionError):
            if request.transport is not None:
                request.transport.abort()
        return response

    def _farewell(self, session: Session) -> Farewell | None:
        if self._is_draining:
            return farewells.DRAINING
        is_expired = self._around.clock.now_ns() / 1e9 >= session.expires_s
        return farewells.EXPIRED if is_expired else None

    async def _tell(self, response: web.StreamResponse, session: Session, place: Place) -> bool:
        """Write what is owed now, or wait for it; tell whether the subscriber is let go."""
        work = self._work[session.subscriber]
        work.clear()
        taken = self._around.desk.hub.take(session.subscriber, self._around.clock.monotonic_s())
        if taken.is_let_go:
            return True
        for message in taken.messages:
            async with asyncio.timeout(self._around.settings.stall_timeout_s):
                event = _event(message, place)
                await response.write(event)
                self._around.tally.add(0, 1, len(event))
        self._around.tally.add(taken.ticks, 0, 0)
        if taken.wait_s != 0.0:
            await self._wait(session, work, taken.wait_s)
        return False

    async def _wait(self, session: Session, work: asyncio.Event, wait_s: float | None) -> None:
        heartbeat_s = self._around.settings.heartbeat_s
        try:
            async with asyncio.timeout(heartbeat_s if wait_s is None else wait_s):
                await work.wait()
        except TimeoutError:
            if wait_s is None:
                session.heartbeat(self._around.clock.now_ns())

    async def _part(self, response: web.StreamResponse, farewell: Farewell) -> None:
        """Say why, and when to come back where that is later than at once."""
        metrics.FAREWELLS.labels(reason=farewell.name).inc()
        after_ms = round(
            self._around.random.random() * self._around.settings.return_within_s * 1000
        )
        wait = f"retry: {after_ms}\n" if farewell.retry is Retry.AFTER else ""
        body = {
            "op": "closing",
            "code": farewell.code,
            "reason": farewell.reason(after_ms).decode(),
        }
        text = f"{wait}event: closing\ndata: {msgspec.json.encode(body).decode()}\n\n"
        async with asyncio.timeout(self._around.settings.close_timeout_s):
            await response.write(text.encode())
            await response.write_eof()


def _event(message: bytes, place: Place) -> bytes:
    # Read again to know its place: one EventSource is one person before a page.
    decoded = msgspec.json.decode(message)
    if decoded["op"] == "subscribed":
        place.begin(decoded["offsets"], decoded["bars_at"])
    elif decoded["op"] == "snapshot":
        place.reach(decoded["snapshot_id"] if decoded["last"] else 0)
    else:
        place.note(decoded)
    return b"event: %b\nid: %b\ndata: %b\n\n" % (
        decoded["op"].encode(),
        str(place).encode(),
        message,
    )


def _key(request: web.Request) -> str:
    header = request.headers.get(hdrs.AUTHORIZATION, "")
    return header[len(_SCHEME) :].strip() if header.lower().startswith(_SCHEME) else ""


def _refused(status: int, farewell: Farewell) -> web.Response:
    return web.Response(status=status, body=refusal(farewell), content_type="application/json")
