"""One open socket of a client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from aiohttp import web

from deploy.sandbox.accounts import Account
from deploy.sandbox.contracts import Listing
from deploy.sandbox.frame_plan import Run, plan_frames
from deploy.sandbox.market import Market
from deploy.sandbox.packets import PACKETS_PER_FRAME_MAX, Columns, encode, frames
from deploy.sandbox.settings import Profile
from deploy.sandbox.subscriptions import Subscriptions

Mask = npt.NDArray[np.bool_]

#: A client that leaves more than this unread is closed, rather than buffered for.
UNREAD_BYTES_MAX = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Distortion:
    """What a fault does to ticks: instruments kept back, timestamps aged, frames overfilled."""

    muted: frozenset[int] = frozenset()
    stale_s: int = 0
    packets_max: int = PACKETS_PER_FRAME_MAX


UNDISTORTED = Distortion()


class Connection:
    """Sends frames without ever waiting for the reader; knows when it last sent."""

    def __init__(self, number: int, account: Account, profile: Profile, opened_s: float) -> None:
        self.number = number
        self.account = account
        self.subscriptions = Subscriptions(profile, instruments_max=account.instruments_max)
        self.sent_at_s = opened_s
        self.too_slow = False
        # No write waits for the reader: a full buffer is seen in `_room` and ends the connection.
        self.socket = web.WebSocketResponse(
            compress=False, writer_limit=2**62, timeout=0.5, autoping=True
        )
        self._transport: asyncio.Transport | None = None
        self._runs: tuple[Run, ...] = ()
        self._runs_made_for: tuple[int, Listing] | None = None

    async def open(self, request: web.Request) -> None:
        """Answer the upgrade."""
        await self.socket.prepare(request)
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @property
    def unread_bytes(self) -> int:
        """Return what the reader has not taken yet."""
        return self._transport.get_write_buffer_size() if self._transport else 0

    async def send_bytes(self, frame: bytes, now_s: float) -> None:
        """Send one binary frame, unless the reader is gone or too slow."""
        if self._room():
            self.sent_at_s = now_s
            try:
                await self.socket.send_bytes(frame)
            except ConnectionResetError:
                self.abort()

    async def send_text(self, text: str, now_s: float) -> None:
        """Send one text frame, unless the reader is gone or too slow."""
        if self._room():
            self.sent_at_s = now_s
            try:
                await self.socket.send_str(text)
            except ConnectionResetError:
                self.abort()

    async def send_ticks(
        self, market: Market, changed: Mask | None, now_s: float, distortion: Distortion
    ) -> None:
        """Send the packets of what changed, or of everything watched with None."""
        for frame in self._frames(market, changed, distortion):
            await self.send_bytes(frame, now_s)

    def _frames(
        self, market: Market, changed: Mask | None, distortion: Distortion
    ) -> Iterable[bytes]:
        made_for = (self.subscriptions.version, market.listing)
        if self._runs_made_for is None or not _same(self._runs_made_for, made_for):
            self._runs = plan_frames(market.listing, self.subscriptions.modes)
            self._runs_made_for = made_for
        columns = _aged(market.columns, distortion.stale_s)
        muted = [
            row
            for token in distortion.muted
            if (row := market.listing.row_of_token.get(token)) is not None
        ]
        batches = []
        for run in self._runs:
            rows = run.rows if changed is None else run.rows[changed[run.rows]]
            rows = rows[~np.isin(rows, muted)] if muted else rows
            batches.append(encode(columns, rows, run.mode, index=run.index))
        return frames(batches, distortion.packets_max)

    def stop_reading(self) -> None:
        """Leave the peer half open: nothing it sends is read any more."""
        if self._transport is not None:
            self._transport.pause_reading()

    def give_up(self) -> None:
        """Cut the connection because its reader is too slow."""
        self.too_slow = True
        self.abort()

    def abort(self) -> None:
        """Cut the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    async def close(self, code: int) -> None:
        """Close politely."""
        await self.socket.close(code=code)

    def _room(self) -> bool:
        if self.socket.closed or self._transport is None or self._transport.is_closing():
            return False
        if self.unread_bytes > UNREAD_BYTES_MAX:
            self.give_up()
            return False
        return True


def _same(left: tuple[int, Any], right: tuple[int, Any]) -> bool:
    return left[0] == right[0] and left[1] is right[1]


def _aged(columns: Columns, stale_s: int) -> Columns:
    if not stale_s:
        return columns
    return replace(columns, timestamp=columns.timestamp - stale_s)
