"""A subscriber of tickflow's stream. Copy this file; it needs Python 3.11 and aiohttp only.

    client = Client("ws://127.0.0.1:8765/v1/stream", key, ticks={"underlyings": ["NIFTY"]})
    async for message in client.messages():
        if message["op"] == "ticks":
            print(message["ticks"])

It reconnects by itself and goes on where it was. A `subscribed` with `recovered` false after the
first one says that something may have been missed; a snapshot of everything follows it.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

WAIT_FIRST_S, WAIT_MAX_S = 0.1, 10.0
#: Heartbeats that may be missing before a connection counts as dead.
HEARTBEATS_MISSED_MAX = 3
#: Close codes for good; those below say to come back.
GIVE_UP = range(4500, 5000)


class GivenUp(Exception):
    """The publisher will not have us: a wrong key, a malformed request, our place taken over."""


class Client:
    """Holds one subscription over as many connections as it takes."""

    def __init__(self, url: str, key: str, **subscribe: Any) -> None:
        self.url = url
        self._headers = {"Authorization": f"Bearer {key}"}
        self._subscribe = {"op": "subscribe", **subscribe}
        self._heartbeat_s = 15.0
        # Where we are: see Resume in the protocol.
        self._epoch = ""
        self._sequence = 0
        self._at: dict[str, str] = {}
        self._offsets: dict[str, dict[str, str]] = {"orders": {}, "updates": {}, "bars": {}}
        self._welcomed = self._reason = ""
        self._coming: tuple[str, int, dict[str, str]] = ("", 0, {})

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """Give every message there is, for ever.

        Raises:
            GivenUp: coming back would be of no use.
        """
        wait_s = WAIT_FIRST_S
        async with aiohttp.ClientSession(headers=self._headers) as session:
            while True:
                after_s: float | None = None
                try:
                    async with session.ws_connect(self.url, max_msg_size=0) as ws:
                        async for message in self._connected(ws):
                            wait_s = WAIT_FIRST_S
                            yield message
                    after_s = self._after_s(ws)
                except aiohttp.WSServerHandshakeError as error:
                    if error.status in {400, 401, 403, 404, 406}:
                        raise GivenUp(f"refused with {error.status}") from error
                except (aiohttp.ClientError, OSError, TimeoutError):
                    pass  # the publisher is away: come back
                await asyncio.sleep(wait_s * random.random() if after_s is None else after_s)  # noqa: S311
                wait_s = min(2 * wait_s, WAIT_MAX_S)

    async def _connected(
        self, ws: aiohttp.ClientWebSocketResponse
    ) -> AsyncIterator[dict[str, Any]]:
        await ws.send_json(self._request())
        while True:
            received = await ws.receive(HEARTBEATS_MISSED_MAX * self._heartbeat_s)
            if received.type is not aiohttp.WSMsgType.TEXT:
                self._reason = str(received.extra or "")
                return
            message: dict[str, Any] = json.loads(received.data)
            yield message
            # Only now: if whoever reads us fails over a message, it comes again.
            self._note(message)

    def _request(self) -> Mapping[str, Any]:
        if not (self._epoch or self._at or any(self._offsets.values())):
            return self._subscribe
        place = {"epoch": self._epoch, "sequence": self._sequence, "at": self._at, **self._offsets}
        return {**self._subscribe, "resume": place}

    def _note(self, message: Mapping[str, Any]) -> None:
        """Remember how far we have come."""
        match message["op"]:
            case "welcome":
                self._heartbeat_s = message["heartbeat_s"]
                self._welcomed = message["epoch"]
            case "subscribed":
                for name, entry_id in message["offsets"].items():
                    kind, account = name.split(":")
                    self._offsets[kind][account] = entry_id
                self._offsets["bars"] = message["bars_at"]
                self._coming = (self._welcomed, message["snapshot_id"], message["at"])
            case "snapshot" if message["last"]:  # until here, what is known is what was known
                self._epoch, self._sequence, self._at = self._coming
            case "ticks":
                self._sequence = message["ticks"][-1]["sequence"]
                self._at = {**self._at, **message.get("at", {})}
            case "heartbeat" if message["at"]:
                self._at = message["at"]
            case "bars":
                self._offsets["bars"] = {**self._offsets["bars"], **message["at"]}
            case "order" | "update":
                self._offsets[message["op"] + "s"][message["account"]] = message["id"]

    def _after_s(self, ws: aiohttp.ClientWebSocketResponse) -> float | None:
        """Return how long to wait, None where nobody said it."""
        code = ws.close_code or 0
        if code in GIVE_UP:
            raise GivenUp(f"closed with {code} {self._reason}")
        after = re.search(r"after_ms=(\d+)", self._reason)
        return int(after[1]) / 1000 if after else None
