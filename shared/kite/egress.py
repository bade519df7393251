"""From which public address our requests leave, asked of a page that says so."""

from __future__ import annotations

import ipaddress
from typing import Final

import aiohttp

from shared.errors import KiteUnavailable
from shared.kite.settings import KiteSettings

#: Characters of the longest address there is, with room for a line's end.
_ANSWER_BYTES_MAX: Final = 64


async def public_address(url: str, settings: KiteSettings) -> str:
    """Return the address that a page at `url`, which answers with it as plain text, saw us under.

    The request leaves from the same local address as orders do.

    Raises:
        KiteUnavailable: no answer, or one that is no address.
    """
    connector = aiohttp.TCPConnector(
        local_addr=(settings.local_address, 0) if settings.local_address else None,
        force_close=True,
    )
    timeout = aiohttp.ClientTimeout(total=settings.call_timeout_s)
    try:
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
            session.get(url, allow_redirects=False) as response,
        ):
            text = (await response.content.read(_ANSWER_BYTES_MAX)).decode("ascii").strip()
        return str(ipaddress.ip_address(text))
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise KiteUnavailable(f"egress check: {type(error).__name__}") from error
