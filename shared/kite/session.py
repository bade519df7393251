"""The day's session: login address, token exchange, logout, proof that a postback is Kite's."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final
from urllib.parse import urlencode

import msgspec

from shared.errors import KiteOutcomeUnknown, KiteUnavailable
from shared.kite import translate
from shared.kite.rest import KiteRest, Request
from shared.kite.settings import PRODUCTION_REST_URL, KiteSettings
from shared.kite.versions import KITE_VERSION
from shared.secret import Secret

#: Source: kite.trade/docs/connect/v3/user, login flow (read 2026-11).
_PRODUCTION_LOGIN: Final = "https://kite.zerodha.com/connect/login"


class Profile(msgspec.Struct, frozen=True):
    """Whose session it is."""

    user_id: str
    user_name: str = ""
    email: str = ""
    broker: str = ""
    exchanges: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    order_types: tuple[str, ...] = ()


class Session(msgspec.Struct, frozen=True):
    """A login's result; the token dies at 06:00 IST of the next day at the latest."""

    user_id: str
    access_token: Secret
    login_time: str = ""


class _Tokens(msgspec.Struct, frozen=True):
    user_id: str
    access_token: str
    login_time: str | None = None


def login_url(settings: KiteSettings, api_key: str) -> str:
    """Return the page where the account's owner logs in; it leads back with a request_token."""
    return f"{_login_page(settings)}?{urlencode({'api_key': api_key, 'v': KITE_VERSION})}"


def _login_page(settings: KiteSettings) -> str:
    origin = settings.rest_url.rstrip("/")
    if settings.login_url:
        return settings.login_url
    # What logs in at Zerodha is good for Zerodha alone: a sandbox has a page of its own.
    return _PRODUCTION_LOGIN if origin == PRODUCTION_REST_URL else f"{origin}/connect/login"


def login_checksum(api_key: str, request_token: str, api_secret: Secret) -> str:
    """Return the SHA-256, hexadecimal, that proves that we know the secret."""
    return _sha256(api_key + request_token + api_secret.reveal())


def postback_is_genuine(
    *, order_id: str, order_timestamp: str, checksum: str, api_secret: Secret
) -> bool:
    """Say whether a postback's checksum is Kite's; compares in constant time.

    Source: kite.trade/docs/connect/v3/postbacks (read 2026-11).
    """
    ours = _sha256(order_id + order_timestamp + api_secret.reveal())
    return hmac.compare_digest(ours.encode(), checksum.encode())


class KiteSessions:
    """The session calls of one api_key."""

    def __init__(self, rest: KiteRest) -> None:
        self._rest = rest

    async def exchange(self, request_token: str, api_secret: Secret) -> Session:
        """Turn a request_token, valid once for a few minutes, into the day's session.

        Raises:
            KiteRejected, KiteSessionExpired, KiteThrottled, KiteUnavailable: no session was made.
            KiteOutcomeUnknown: the request_token may be spent; log in again.
        """
        form = (
            ("api_key", self._rest.api_key),
            ("request_token", request_token),
            ("checksum", login_checksum(self._rest.api_key, request_token, api_secret)),
        )
        request = Request("POST", "/session/token", form=form, anonymous=True)
        body = translate.written(request, await self._rest.call(request))
        try:
            found = msgspec.json.decode(body, type=_Tokens)
        except msgspec.DecodeError as error:
            raise KiteOutcomeUnknown(f"{request.name}: success without tokens") from error
        return Session(found.user_id, Secret(found.access_token), found.login_time or "")

    async def invalidate(self, access_token: Secret) -> None:
        """Log out; raises as `exchange` does."""
        query = (("api_key", self._rest.api_key), ("access_token", access_token.reveal()))
        request = Request("DELETE", "/session/token", query=query)
        translate.written(request, await self._rest.call(request))

    async def profile(self) -> Profile:
        """Return whose token it is: the proof that a session lives.

        Raises:
            KiteSessionExpired, KiteThrottled, KiteRejected, KiteUnavailable: not read.
        """
        request = Request("GET", "/user/profile", changes=False)
        body = translate.read(request, await self._rest.call(request))
        try:
            return msgspec.json.decode(body, type=Profile)
        except msgspec.DecodeError as error:
            raise KiteUnavailable(f"{request.name}: data is not a profile") from error


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
