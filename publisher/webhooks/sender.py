"""One event to one receiver over HTTPS: to the address that was checked, and nowhere further."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from publisher.webhooks.signing import HEADER, signature
from publisher.webhooks.targets import Network, may_reach, refuse_url
from shared.secret import Secret

USER_AGENT = "tickflow-webhook/1"
_OK = range(200, 300)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is sent: where to, the body, what it is signed with."""

    url: str
    body: bytes
    webhook_id: str
    delivery_id: int
    attempt: int
    secrets: Sequence[Secret]


class GuardedResolver(AbstractResolver):
    """Resolves names to allowed addresses only; what it returns is what is connected to."""

    def __init__(self, allowed: Sequence[Network]) -> None:
        self._inner = ThreadedResolver()
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the allowed addresses of a name.

        Raises:
            OSError: there are none.
        """
        found = await self._inner.resolve(host, port, family)
        fit = [each for each in found if may_reach(each["host"], self._allowed)]
        if not fit:
            raise OSError(f"{host} has no address that is allowed")
        return fit

    async def close(self) -> None:
        """Do nothing: there is nothing open."""
        await self._inner.close()


class Sender:
    """Sends parcels; follows no redirect, uses no proxy, keeps no connection."""

    def __init__(
        self, session: aiohttp.ClientSession, allowed: Sequence[Network], timeout_s: float
    ) -> None:
        self._session = session
        self._allowed = allowed
        self._timeout_s = timeout_s

    async def send(self, parcel: Parcel, at_s: int) -> str:
        """Return why it was not taken, empty where it was."""
        refused = refuse_url(parcel.url, self._allowed)
        if refused:
            return refused
        headers = {
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            "Tickflow-Webhook": parcel.webhook_id,
            "Tickflow-Delivery": str(parcel.delivery_id),
            "Tickflow-Attempt": str(parcel.attempt),
            HEADER: signature(parcel.secrets, parcel.body, at_s),
        }
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.post(
                    parcel.url, data=parcel.body, headers=headers, allow_redirects=False
                ) as response,
            ):
                return "" if response.status in _OK else f"answered {response.status}"
        except TimeoutError:
            return f"no answer within {self._timeout_s:g} s"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return f"{type(error).__name__}: {error}"


@asynccontextmanager
async def open_sender(allowed: Sequence[Network], timeout_s: float) -> AsyncIterator[Sender]:
    """Enter a sender."""
    connector = aiohttp.TCPConnector(
        resolver=GuardedResolver(allowed), use_dns_cache=False, force_close=True, limit=100
    )
    async with aiohttp.ClientSession(
        connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        yield Sender(session, allowed, timeout_s)
