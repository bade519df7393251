"""Who may speak to the sandbox, with which token, until when."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from deploy.sandbox.expiry_calendar import IST
from deploy.sandbox.refusals import bad_session
from deploy.sandbox.settings import Credentials
from deploy.sandbox.subscriptions import INSTRUMENTS_PER_SOCKET_MAX
from shared.secret import Secret

#: A token dies at this time of the next morning in India. Source: kite.trade/docs (read 2026-11).
TOKEN_DEATH_TIME = time(6, 0)
REQUEST_TOKEN_LIFE_S = 300
#: Open connections per application. Source: kite.trade/docs/connect/v3/websocket (read 2026-11).
SOCKETS_PER_KEY_MAX = 3
AUTHORIZATION_SCHEME = "token"


@dataclass(slots=True)
class Account:
    """One client; `access_token` is empty while nobody is logged in.

    `sockets_max` connections of its key, each with at most `instruments_max` instruments.
    """

    user_id: str
    api_key: str
    api_secret: Secret
    access_token: Secret
    valid_until_s: int | None
    login_s: int
    request_token: Secret
    request_valid_until_s: int = 0
    sockets_max: int = SOCKETS_PER_KEY_MAX
    instruments_max: int = INSTRUMENTS_PER_SOCKET_MAX


class Accounts:
    """Every account by its key; a login ends the login before it."""

    def __init__(
        self, credentials: Iterable[Credentials], now_s: int, *, tokens_expire: bool
    ) -> None:
        self._tokens_expire = tokens_expire
        self._accounts = [
            Account(
                user_id=found.user_id,
                api_key=found.api_key,
                api_secret=found.api_secret,
                access_token=found.access_token,
                valid_until_s=self._death(now_s),
                login_s=now_s,
                request_token=Secret(""),
            )
            for found in credentials
        ]

    def all(self) -> tuple[Account, ...]:
        """Return every account in the order given."""
        return tuple(self._accounts)

    def by_user(self, user_id: str) -> Account | None:
        """Return the account of a client id; the first one for an empty id."""
        if not user_id:
            return self._accounts[0]
        return next((found for found in self._accounts if found.user_id == user_id), None)

    def by_key(self, api_key: str) -> Account | None:
        """Return the first account using an application."""
        return next((found for found in self._accounts if found.api_key == api_key), None)

    def authenticate(self, api_key: str, access_token: str, now_s: int) -> Account:
        """Return the account a key together with a token belongs to.

        Raises:
            KiteRejected: nobody is logged in with these, or no longer.
        """
        for account in self._accounts:
            if account.api_key != api_key or not account.access_token:
                continue
            alive = account.valid_until_s is None or now_s < account.valid_until_s
            if alive and account.access_token.matches(access_token):
                return account
        raise bad_session()

    def authorize(self, header: str, now_s: int) -> Account:
        """Return the account named by an Authorization header.

        Raises:
            KiteRejected: the header is malformed, or its token is not valid.
        """
        scheme, _, rest = header.partition(" ")
        api_key, colon, access_token = rest.partition(":")
        if scheme.lower() != AUTHORIZATION_SCHEME or not colon:
            raise bad_session()
        return self.authenticate(api_key, access_token, now_s)

    def begin_login(self, account: Account, now_s: int) -> str:
        """Return a request token, usable once within a few minutes."""
        account.request_token = Secret(secrets.token_hex(16))
        account.request_valid_until_s = now_s + REQUEST_TOKEN_LIFE_S
        return account.request_token.reveal()

    def finish_login(self, api_key: str, request_token: str, checksum: str, now_s: int) -> Account:
        """Exchange a request token for a session; the session before it ends.

        Raises:
            KiteRejected: the token is unknown, used or late, or the checksum is not the key's.
        """
        for account in self._accounts:
            if account.api_key != api_key or not account.request_token:
                continue
            if not account.request_token.matches(request_token):
                continue
            text = api_key + request_token + account.api_secret.reveal()
            expected = Secret(hashlib.sha256(text.encode()).hexdigest())
            if now_s >= account.request_valid_until_s or not expected.matches(checksum):
                break
            account.request_token = Secret("")
            account.access_token = Secret(secrets.token_hex(16))
            account.valid_until_s = self._death(now_s)
            account.login_s = now_s
            return account
        raise bad_session()

    def kill(self, account: Account) -> None:
        """End an account's session; open sockets live on, as they do at the broker."""
        account.access_token = Secret("")

    def expire(self, account: Account, at_s: int) -> None:
        """Let an account's session end at a time of its own."""
        account.valid_until_s = at_s

    def _death(self, now_s: int) -> int | None:
        if not self._tokens_expire:
            return None
        local = datetime.fromtimestamp(now_s, tz=UTC).astimezone(IST)
        day = local.date() if local.time() < TOKEN_DEATH_TIME else local.date() + timedelta(days=1)
        return int(datetime.combine(day, TOKEN_DEATH_TIME, tzinfo=IST).timestamp())
