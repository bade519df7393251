"""Public keys of tokens, fetched from where they are published, again and again."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request

from publisher.access.tokens import TokenKeys
from shared.errors import SettingsError
from shared.runtime.logs import Log

#: Seconds between two looks, after a failed one.
REFRESH_S, RETRY_S = 300.0, 10.0
TIMEOUT_S = 5.0
#: A step is short, so that a publisher that stops does not wait for it.
LOOK_S = 0.25
DOCUMENT_BYTES_MAX = 1024 * 1024


class TokenKeyFeed:
    """Keeps the keys fresh; those held stay good while the address does not answer."""

    name = "jwks"

    def __init__(self, keys: TokenKeys, url: str, log: Log) -> None:
        if not url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
            raise SettingsError("publisher.jwt_jwks_url: must be https, or http of this machine")
        self._keys = keys
        self._url = url
        self._log = log
        self._wait_s = 0.0

    async def begin(self) -> None:
        """Nothing has to be taken up: without keys no token opens the door."""

    async def step(self) -> None:
        """Wait a moment; fetch once when it is time."""
        if self._wait_s > 0.0:
            await asyncio.sleep(LOOK_S)
            self._wait_s -= LOOK_S
            return
        try:
            count = self._keys.publish(await asyncio.to_thread(self._fetch))
        except (OSError, ValueError, SettingsError) as error:
            self._log.warning("jwks.not_read", reason=str(error))
            self._wait_s = RETRY_S
        else:
            self._log.info("jwks.read", keys=count)
            self._wait_s = REFRESH_S

    def _fetch(self) -> str:
        with urllib.request.urlopen(self._url, timeout=TIMEOUT_S) as answer:  # noqa: S310  # the constructor asked for https
            body: bytes = answer.read(DOCUMENT_BYTES_MAX)
        return body.decode()
