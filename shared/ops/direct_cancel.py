"""A cancel straight to the broker while the stores are away, kept in a file until they are back.

Each line of the file is the cancel as known then: first, before anything is sent, of unknown
outcome; then with the outcome. The last line of a command_id counts.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from shared.errors import (
    KiteError,
    KiteOutcomeUnknown,
    KiteRejected,
    LocalError,
    SettingsError,
)
from shared.kite.orders import KiteOrders
from shared.kite.rest import open_rest
from shared.ops.settings import OpsSettings
from shared.store.journal_hand import DirectCancel, record_direct
from shared.store.pool import Pool
from shared.wire.orders import State

SPOOL_FILE: Final = "direct-cancels.jsonl"
_NOT_ANSWERED: Final = "sent; nothing is known of the answer"


def keep(spool: Path, cancel: DirectCancel) -> None:
    """Add a line to the file; it is on the disk when this returns.

    Raises:
        OSError: it could not be written.
    """
    spool.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(spool, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
    try:
        os.write(descriptor, msgspec.json.encode(cancel) + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(spool: Path) -> list[DirectCancel]:
    """Return the cancels kept in the file, each as last known, oldest first.

    Raises:
        LocalError: a line is not a cancel; names the line.
    """
    known: dict[str, DirectCancel] = {}
    if not spool.exists():
        return []
    for number, line in enumerate(spool.read_bytes().splitlines(), start=1):
        try:
            cancel = msgspec.json.decode(line, type=DirectCancel)
        except msgspec.DecodeError as error:
            raise LocalError(f"{spool} line {number}: {error}") from error
        known[cancel.command_id] = cancel
    return list(known.values())


async def cancel_directly(settings: OpsSettings, spool: Path, cancel: DirectCancel) -> DirectCancel:
    """Keep the cancel in the file, send it once, keep what came of it; return that.

    Raises:
        SettingsError: the account's api_key or token is not in the settings.
        OSError: the file could not be written; nothing was sent unless its first line is there.
    """
    account = settings.account
    if not account.api_key or not account.access_token:
        raise SettingsError(
            "a direct cancel reads no store: set TICKFLOW_ACCOUNT__API_KEY, "
            "TICKFLOW_ACCOUNT__ACCESS_TOKEN"
        )
    keep(spool, msgspec.structs.replace(cancel, sentence=_NOT_ANSWERED))
    async with open_rest(settings.kite, account.api_key, lambda: account.access_token) as rest:
        state, sentence = await _send(KiteOrders(rest), cancel)
    after = msgspec.structs.replace(cancel, state=state, sentence=sentence)
    keep(spool, after)
    return after


async def _send(orders: KiteOrders, cancel: DirectCancel) -> tuple[State, str]:
    try:
        await orders.cancel(cancel.order_id, variety=cancel.variety)
    except KiteRejected as error:
        return State.REJECTED, str(error)
    except KiteOutcomeUnknown as error:
        return State.UNKNOWN, str(error)
    except KiteError as error:
        return State.REFUSED, f"not executed: {error}"
    return State.ACCEPTED, "the broker took it"


async def into_journal(pool: Pool, spool: Path, *, at_us: int) -> int:
    """Write every cancel of the file into the journal, put the file aside; return how many.

    Again is harmless: a cancel that is there already is left as it is.

    Raises:
        LocalError: a line is not a cancel; nothing was written.
        StoreError: PostgreSQL refused or vanished; the file stays.
    """
    cancels = read(spool)
    for cancel in cancels:
        await record_direct(pool, cancel, at_us=at_us)
    if cancels:
        _put_aside(spool, at_us)
    return len(cancels)


def _put_aside(spool: Path, at_us: int) -> None:
    spool.rename(spool.with_name(f"{spool.name}.{at_us}"))
