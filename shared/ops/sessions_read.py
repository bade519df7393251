"""How accounts stand, read once."""

from __future__ import annotations

from dataclasses import replace

from shared.accounts.live import AccountStatus, LiveAccount
from shared.accounts.resolving import Resolved
from shared.accounts.sources import EnvironmentSource
from shared.clock import Clock
from shared.errors import KiteRejected
from shared.ops.account_desk import AccountDesk, account_desk
from shared.ops.settings import OpsSettings


async def statuses(
    settings: OpsSettings, clock: Clock, *, account: str | None = None, is_verifying: bool = False
) -> list[AccountStatus]:
    """Return how one account stands, or all; on request the broker is asked too.

    Raises:
        NotFound: there is no such account.
        SettingsError, StoreError: the accounts could not be read.
    """
    async with account_desk(settings, clock) as desk:
        wanted = desk.known.values() if account is None else [desk.account(account)]
        found = [LiveAccount(each) for each in wanted]
        if is_verifying:
            for live in found:
                await _verify(desk, live)
        return [_told(live.status(clock.now_ns())) for live in found]


async def resolved(settings: OpsSettings, clock: Clock, account: str) -> Resolved:
    """Return what is known of one account; raises as `statuses`."""
    async with account_desk(settings, clock) as desk:
        return desk.account(account)


def _told(status: AccountStatus) -> AccountStatus:
    # A token in our environment was issued before this process began, nobody knows when.
    if status.session_from == EnvironmentSource.name:
        return replace(status, issued_us=None, expires_us=None)
    return status


async def _verify(desk: AccountDesk, live: LiveAccount) -> None:
    if live.resolved.session is None:
        return
    try:
        if await desk.sessions.verify_kept(live.resolved):
            live.note_accepted(desk.clock.now_ns())
    except KiteRejected:
        live.note_refused()
