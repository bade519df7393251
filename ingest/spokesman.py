"""The account in whose name Kite is asked for instruments and prices."""

from __future__ import annotations

from ingest.pool import AccountPool
from shared.kite.rest import KiteRest


class Spokesman:
    """Has one REST session speak for a usable account; another one where it fails."""

    def __init__(self, rest: KiteRest, pool: AccountPool) -> None:
        self._rest = rest
        self._pool = pool
        self._account = ""

    def choose(self) -> None:
        """Let the account that speaks go on while it is usable, else choose another."""
        accounts = self._pool.accounts
        able = self._pool.usable or tuple(accounts)
        if not able:
            return
        if self._account not in able:
            self._account = able[0]
        live = accounts[self._account].live
        self._rest.api_key, self._rest.access_token = live.api_key().reveal(), live.token
