"""The WebSocket side: who is connected, what each one is sent."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from aiohttp import WSMsgType, web

from deploy.sandbox.accounts import Account, Accounts
from deploy.sandbox.connection import Connection, Distortion
from deploy.sandbox.faults import Fault, FaultBoard, Occasion
from deploy.sandbox.market import Market
from deploy.sandbox.market_clock import MarketClock
from deploy.sandbox.packets import HEARTBEAT, LTP, PACKETS_PER_FRAME_MAX
from deploy.sandbox.received import ReceivedLog
from deploy.sandbox.refusals import BAD_REQUEST, FORBIDDEN, TOO_MANY_REQUESTS
from deploy.sandbox.settings import Profile
from deploy.sandbox.subscriptions import INSTRUMENTS_PER_SOCKET_MAX, Reply
from deploy.sandbox.tape_player import frame_for
from shared.errors import KiteRejected

Mask = npt.NDArray[np.bool_]

#: A heartbeat follows this much silence; clients give up after five seconds of it.
HEARTBEAT_AFTER_S = 1.0
HEARTBEAT_CHECK_S = 0.1
UPDATES_PENDING_MAX = 100_000
STALE_S = 60
DELAY_S = 5.0
CLOSE_NORMAL = 1000
CLOSE_GOING_AWAY = 1001
_TRUNCATED_BYTES = 5
_UNKNOWN_PACKET_BYTES = 13


@dataclass(frozen=True, slots=True, kw_only=True)
class TickerParts:
    """What the ticker works with."""

    market: Market
    accounts: Accounts
    faults: FaultBoard
    clock: MarketClock
    received: ReceivedLog
    profile: Profile
    #: Ticks come from a tape: the market's own are kept back.
    plays_tape: bool = False


@dataclass(frozen=True, slots=True)
class _Update:
    due_s: float
    user_id: str
    row: dict[str, Any]


class Ticker:
    """Holds every open connection."""

    def __init__(self, parts: TickerParts) -> None:
        self._parts = parts
        self._connections: dict[int, Connection] = {}
        self._next = 1
        self._updates: deque[_Update] = deque(maxlen=UPDATES_PENDING_MAX)
        self.slow_readers_closed = 0
        #: Set once anybody has asked for anything.
        self.subscribed = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one upgrade request until its connection ends."""
        account = self._admit(request)
        if isinstance(account, web.Response):
            known = self._parts.accounts.by_key(request.query.get("api_key", ""))
            user = known.user_id if known else ""
            self._note("connect", account=user, text="", status=account.status)
            return account
        clock = self._parts.clock
        connection = Connection(self._next, account, self._parts.profile, clock.monotonic_s())
        self._next += 1
        self._connections[connection.number] = connection
        try:
            await connection.open(request)
            self._note_of(connection, "connect", status=101)
            async for message in connection.socket:
                if message.type is WSMsgType.TEXT:
                    await self._obey(connection, message.data)
        finally:
            self._connections.pop(connection.number, None)
            self.slow_readers_closed += connection.too_slow
            self._note_of(connection, "disconnect")
        return connection.socket

    async def flush(self, changed: Mask) -> None:
        """Send every connection what changed of what it watches."""
        for connection in list(self._connections.values()):
            account = connection.account.user_id
            if self._parts.faults.catch(connection.number, account) is not None:
                self._hold(connection)
                continue
            distortion = await self._distort(connection)
            if not self._parts.plays_tape:
                await connection.send_ticks(
                    self._parts.market, changed, self._parts.clock.monotonic_s(), distortion
                )

    async def broadcast(self, packets: list[tuple[int, bytes]]) -> None:
        """Send each connection those (token, packet with its length) that it watches."""
        for connection in list(self._connections.values()):
            account = connection.account.user_id
            if self._parts.faults.catch(connection.number, account) is not None:
                self._hold(connection)
                continue
            muted = self._parts.faults.muted_tokens(account)
            watched = connection.subscriptions.modes.keys() - muted
            if frame := frame_for(packets, watched):
                await connection.send_bytes(frame, self._parts.clock.monotonic_s())

    async def beat(self) -> None:
        """Send a heartbeat wherever it has been silent; runs until cancelled."""
        while True:
            await asyncio.sleep(HEARTBEAT_CHECK_S)
            now_s = self._parts.clock.monotonic_s()
            for connection in list(self._connections.values()):
                caught = self._parts.faults.catch(connection.number, connection.account.user_id)
                silent = caught is not None and caught.kind != "ws_heartbeats_only"
                if not silent and now_s - connection.sent_at_s >= HEARTBEAT_AFTER_S:
                    await connection.send_bytes(HEARTBEAT, now_s)

    def note_update(self, user_id: str, row: dict[str, Any]) -> None:
        """Keep an order update for the next delivery, or for a later one under a fault."""
        late = self._parts.faults.take("delay_updates", Occasion(account=user_id))
        now_s = self._parts.clock.monotonic_s()
        due_s = now_s + (DELAY_S if late.seconds is None else late.seconds) if late else now_s
        self._updates.append(_Update(due_s, user_id, row))

    async def deliver_updates(self) -> None:
        """Send the order updates that are due, each to its account's sockets."""
        now_s = self._parts.clock.monotonic_s()
        updates = [update for update in self._updates if update.due_s <= now_s]
        later = [update for update in self._updates if update.due_s > now_s]
        self._updates.clear()
        self._updates.extend(later)
        faults = self._parts.faults
        if updates and faults.take("reverse_updates", Occasion(account=updates[0].user_id)):
            updates.reverse()
        for update in updates:
            occasion = Occasion(account=update.user_id)
            if faults.take("drop_updates", occasion):
                continue
            copies = 2 if faults.take("duplicate_updates", occasion) else 1
            text = json.dumps({"type": "order", "data": update.row}, separators=(",", ":"))
            for connection in list(self._connections.values()):
                if connection.account.user_id == update.user_id and not self._is_mute(connection):
                    for _ in range(copies):
                        await connection.send_text(text, self._parts.clock.monotonic_s())

    async def close_all(self) -> None:
        """Say goodbye to everybody."""
        async with asyncio.TaskGroup() as group:
            for connection in list(self._connections.values()):
                group.create_task(
                    connection.close(CLOSE_GOING_AWAY), name=f"close-{connection.number}"
                )

    def public(self) -> list[dict[str, Any]]:
        """Return what the control interface shows of the open connections."""
        return [
            {
                "id": connection.number,
                "account": connection.account.user_id,
                "instruments": len(connection.subscriptions.modes),
                "repeats": connection.subscriptions.repeats,
                "unread_bytes": connection.unread_bytes,
            }
            for connection in self._connections.values()
        ]

    def watched(self) -> dict[int, list[int]]:
        """Return the instruments each open connection watches, by its number."""
        return {
            number: sorted(connection.subscriptions.modes)
            for number, connection in self._connections.items()
        }

    def _admit(self, request: web.Request) -> Account | web.Response:
        """Return whose connection this becomes, or the plain HTTP answer that refuses it."""
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return web.Response(status=BAD_REQUEST, text="Bad Request")
        api_key = request.query.get("api_key", "")
        access_token = request.query.get("access_token", "")
        if not api_key or not access_token:
            return web.Response(status=BAD_REQUEST, text="Bad Request")
        known = self._parts.accounts.by_key(api_key)
        occasion = Occasion(account=known.user_id if known else "", path="/")
        fault = self._parts.faults.take("reject_upgrade", occasion)
        if fault is not None:
            status = fault.status or FORBIDDEN
            reason = "TooManyRequests" if status == TOO_MANY_REQUESTS else None
            return web.Response(status=status, reason=reason)
        now_s = self._parts.clock.now_s()
        try:
            account = self._parts.accounts.authenticate(api_key, access_token, now_s)
        except KiteRejected:
            return web.Response(status=FORBIDDEN, text="Forbidden")
        same_key = [found for found in self._connections.values() if _uses(found, api_key)]
        if len(same_key) >= account.sockets_max:
            return web.Response(status=TOO_MANY_REQUESTS, reason="TooManyRequests")
        return account

    async def _obey(self, connection: Connection, text: str) -> None:
        account = connection.account.user_id
        self._note_of(connection, "message", text=text)
        reply: Reply = connection.subscriptions.apply(text)
        now_s = self._parts.clock.monotonic_s()
        if reply.tokens:
            self.subscribed.set()
        if reply.error:
            error = json.dumps({"type": "error", "data": reply.error})
            await connection.send_text(error, now_s)
        if self._parts.plays_tape or not reply.tokens:
            return
        if self._parts.faults.catch(connection.number, account) is not None:
            return
        listing = self._parts.market.listing
        wanted = np.zeros(len(listing.contracts), dtype=np.bool_)
        rows = [
            listing.row_of_token[token] for token in reply.tokens if token in listing.row_of_token
        ]
        wanted[rows] = True
        distortion = Distortion(frozenset(self._parts.faults.muted_tokens(account)))
        await connection.send_ticks(self._parts.market, wanted, now_s, distortion)

    def _is_mute(self, connection: Connection) -> bool:
        caught = self._parts.faults.catch(connection.number, connection.account.user_id)
        return caught is not None

    def _hold(self, connection: Connection) -> None:
        caught = self._parts.faults.catch(connection.number, connection.account.user_id)
        if caught is not None and caught.kind == "ws_stop_reading":
            connection.stop_reading()

    async def _distort(self, connection: Connection) -> Distortion:
        """Apply the faults that strike a connection once; return what its ticks suffer."""
        account = connection.account.user_id
        faults, now_s = self._parts.faults, self._parts.clock.monotonic_s()
        occasion = Occasion(account=account, connection=connection.number)
        if faults.take("ws_abort", occasion):
            connection.abort()
        if faults.take("ws_overflow", occasion):
            connection.give_up()
        if fault := faults.take("ws_close", occasion):
            await connection.close(fault.status or CLOSE_NORMAL)
        if faults.take("ws_truncated_frame", occasion):
            whole = b"\x00\x01" + bytes(LTP.itemsize)
            await connection.send_bytes(b"\x00\x02\x00\x08" + whole[:-_TRUNCATED_BYTES], now_s)
        if faults.take("ws_unknown_packet", occasion):
            length = _UNKNOWN_PACKET_BYTES.to_bytes(2, "big")
            await connection.send_bytes(b"\x00\x01" + length + bytes(_UNKNOWN_PACKET_BYTES), now_s)
        if fault := faults.take("ws_text", occasion):
            await connection.send_text(_text(fault), now_s)
        stale = faults.take("ws_stale_timestamps", occasion)
        burst = faults.take("ws_burst", occasion)
        return Distortion(
            muted=frozenset(faults.muted_tokens(account)),
            stale_s=int(stale.seconds or STALE_S) if stale else 0,
            packets_max=INSTRUMENTS_PER_SOCKET_MAX if burst else PACKETS_PER_FRAME_MAX,
        )

    def _note_of(
        self, connection: Connection, event: str, *, text: str = "", status: int = 0
    ) -> None:
        account, number = connection.account.user_id, connection.number
        self._note(event, account=account, text=text, status=status, connection=number)

    def _note(
        self, event: str, *, account: str, text: str, status: int, connection: int = 0
    ) -> None:
        self._parts.received.add(
            at_ns=self._parts.clock.now_ns(),
            kind="ws",
            event=event,
            account=account,
            text=text,
            status=status,
            connection=connection,
        )


def _uses(connection: Connection, api_key: str) -> bool:
    return connection.account.api_key == api_key


def _text(fault: Fault) -> str:
    return fault.text or json.dumps({"type": "message", "data": fault.message or "Notice"})
