"""A login's last steps: exchange, prove, keep; a logout's first."""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qs, urlsplit

from shared.accounts.resolving import Resolved
from shared.accounts.token_state import expires_us
from shared.clock import Clock
from shared.errors import (
    KiteOutcomeUnknown,
    KiteRejected,
    KiteThrottled,
    KiteUnavailable,
    SettingsError,
)
from shared.kite.rest import KiteRest, open_rest
from shared.kite.session import KiteSessions
from shared.kite.settings import KiteSettings
from shared.secret import Secret
from shared.store.accounts import AccountTable, Credentials, Session

_NS_PER_US: Final = 1_000
_REQUEST_TOKEN: Final = re.compile(r"[A-Za-z0-9]{6,128}")
_ACCESS_TOKEN: Final = re.compile(r"[!-~]{6,256}")


@dataclass(frozen=True, slots=True)
class Kept:
    """A session that is in the table now; `is_verified` says whether the broker accepted it."""

    version: int
    issued_us: int
    expires_us: int
    is_verified: bool


class SessionDesk:
    """Makes and ends sessions of accounts; the table keeps them."""

    def __init__(self, table: AccountTable, kite: KiteSettings, clock: Clock) -> None:
        self._table = table
        self._kite = kite
        self._clock = clock

    async def exchange(self, account: Resolved, request_token: Secret) -> Kept:
        """Turn a request token, valid once for a few minutes, into the day's session.

        Raises:
            SettingsError: the account has no api_secret, or nothing can be sealed.
            KiteRejected, KiteThrottled, KiteUnavailable: no session was made, or another user's.
            KiteOutcomeUnknown: the request token may be spent; log in again.
            StoreError: a session was made, but not kept; log in again.
        """
        credentials = complete_credentials(account)
        async with self._rest(credentials, Secret("")) as rest:
            made = await KiteSessions(rest).exchange(request_token.reveal(), credentials.api_secret)
        _check_user(account.account, made.user_id)
        session = self._session(credentials, made.access_token)
        version = await self._keep(account.account, session)
        return await self._proven(account.account, session, version)

    async def adopt(self, account: Resolved, access_token: Secret) -> Kept:
        """Keep a token that was made elsewhere, unless the broker refuses it.

        Raises:
            KiteRejected: the broker refused it, or it is another user's; the table is as it was.
            SettingsError, StoreError: it was not kept.
        """
        session = self._session(_credentials(account), access_token)
        is_verified = await self.verify(account.account, session)
        version = await self._keep(account.account, session)
        if is_verified:
            await self._mark(account.account, version)
        return Kept(version, session.issued_us, session.expires_us, is_verified)

    async def verify(self, account: str, session: Session) -> bool:
        """Ask the broker whose session it is; return False where it could not be asked.

        Raises:
            KiteRejected: the session is dead, or another user's.
        """
        credentials = Credentials(session.api_key)
        try:
            async with self._rest(credentials, session.access_token) as rest:
                profile = await KiteSessions(rest).profile()
        except (KiteUnavailable, KiteThrottled):
            return False
        _check_user(account, profile.user_id)
        return True

    async def verify_kept(self, account: Resolved) -> bool:
        """Verify the session at hand, note it where the table has it; as `verify`."""
        assert account.session is not None, "asked for accounts with a session only"
        is_verified = await self.verify(account.account, account.session)
        if is_verified and account.session_version:
            await self._mark(account.account, account.session_version)
        return is_verified

    async def end(self, account: Resolved) -> tuple[int | None, bool]:
        """Log out at the broker, forget the token; return its version, whether the broker knows.

        Raises:
            StoreError: the token is still in the table.
        """
        session = account.session
        is_told = session is not None and await self._invalidate(session)
        version = await self._table.end_session(account.account, version=account.session_version)
        return version, is_told

    async def _proven(self, account: str, session: Session, version: int) -> Kept:
        is_verified = await self.verify(account, session)
        if is_verified:
            await self._mark(account, version)
        return Kept(version, session.issued_us, session.expires_us, is_verified)

    async def _invalidate(self, session: Session) -> bool:
        async with self._rest(Credentials(session.api_key), session.access_token) as rest:
            try:
                await KiteSessions(rest).invalidate(session.access_token)
            except KiteRejected:
                return True  # it was dead already
            except (KiteThrottled, KiteUnavailable, KiteOutcomeUnknown):
                return False
        return True

    async def _keep(self, account: str, session: Session) -> int:
        version = await self._table.put_session(account, session)
        if version is None:
            raise KiteRejected(f"account {account}: a later login is kept already")
        return version

    async def _mark(self, account: str, version: int) -> None:
        at_us = self._clock.now_ns() // _NS_PER_US
        await self._table.mark_verified(account, version=version, at_us=at_us)

    def _session(self, credentials: Credentials, access_token: Secret) -> Session:
        issued_us = self._clock.now_ns() // _NS_PER_US
        return Session(credentials.api_key, access_token, issued_us, expires_us(issued_us))

    def _rest(
        self, credentials: Credentials, token: Secret
    ) -> AbstractAsyncContextManager[KiteRest]:
        return open_rest(self._kite, credentials.api_key.reveal(), lambda: token)


def complete_credentials(account: Resolved) -> Credentials:
    """Return what a login needs.

    Raises:
        SettingsError: no source gives an api_key, or none its api_secret.
    """
    found = _credentials(account)
    if not found.api_secret:
        raise SettingsError(
            f"account {account.account}: {account.credentials_from} gives no api_secret; "
            "a login needs one"
        )
    return found


def read_request_token(text: str) -> Secret:
    """Return the request token in what somebody pasted: the token, or the address it came in.

    Raises:
        SettingsError: there is none; the text is not quoted.
    """
    plain = text.strip()
    if "request_token=" in plain:
        plain = _token_in(plain)
    if not _REQUEST_TOKEN.fullmatch(plain):
        raise SettingsError(
            "what was given is no request token; it must be 6 to 128 letters or digits, "
            "or the whole address the login led to"
        )
    return Secret(plain)


def _token_in(address: str) -> str:
    try:
        query = urlsplit(address).query or address.lstrip("?")
        return (parse_qs(query).get("request_token") or [""])[0]
    except ValueError:
        return ""


def read_access_token(text: str) -> Secret:
    """Return the access token in what somebody gave.

    Raises:
        SettingsError: it cannot be one; the text is not quoted.
    """
    plain = text.strip()
    if not _ACCESS_TOKEN.fullmatch(plain):
        raise SettingsError(
            "what was given is no access token; it must be 6 to 256 printable characters"
        )
    return Secret(plain)


def _credentials(account: Resolved) -> Credentials:
    if account.credentials is None:
        said = "; ".join(account.problems) or "no source gives its api_key"
        raise SettingsError(f"account {account.account}: {said}")
    return account.credentials


def _check_user(account: str, user_id: str) -> None:
    if user_id != account:
        raise KiteRejected(
            f"account {account}: the broker says that the session is of {user_id[:32]!r}; "
            "it is not kept"
        )
