"""`tickflow orders cancel --direct` and `tickflow orders spool`."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from shared.ops.outcome import ExitCode
from shared.ops.session import Session, output_options, pass_session
from shared.wire.order_fields import Variety

if TYPE_CHECKING:
    from shared.store.journal_hand import DirectCancel


def spool_of(session: Session, named: Path | None) -> Path:
    """Return the file that keeps direct cancels."""
    from shared.ops.direct_cancel import SPOOL_FILE
    from shared.ops.local_run import state_directory

    return named or state_directory(session.environ) / SPOOL_FILE


def cancel_direct(session: Session, order_id: str, *, variety: str | None, by: str) -> None:
    """Cancel an order at the broker from this machine, asking no store."""
    import msgspec

    from shared.ops.direct_cancel import cancel_directly
    from shared.ops.drafts import new_command_id
    from shared.ops.reach import run
    from shared.ops.settings import account_of
    from shared.store.journal_hand import DirectCancel
    from shared.wire.orders import State

    now_ns = session.clock.now_ns()
    fields = {
        "command_id": new_command_id(now_ns, secrets.token_bytes(10)),
        "account": account_of(session.settings, None),
        "order_id": order_id,
        "variety": variety or get_args(Variety)[0],
        "by": by,
        "sent_us": now_ns // 1_000,
        "state": State.UNKNOWN,
    }
    cancel = msgspec.convert(fields, DirectCancel)
    spool = spool_of(session, None)
    _tell(session, run(cancel_directly(session.settings, spool, cancel)), spool)


def _tell(session: Session, cancel: DirectCancel, spool: Path) -> None:
    from shared.wire.orders import State

    if session.printer.as_json:
        session.printer.value(cancel)
    else:
        session.printer.answer(f"order {cancel.order_id}: {cancel.state} ({cancel.sentence})")
    session.printer.note(f"kept in {spool}; when PostgreSQL is back: tickflow orders spool")
    taken = cancel.state is State.ACCEPTED
    click.get_current_context().exit(ExitCode.OK if taken else ExitCode.FAILURE)


@click.command()
@click.option("--file", "named", type=click.Path(path_type=Path, dir_okay=False))
@output_options
@pass_session
def spool(session: Session, named: Path | None) -> None:
    """Write direct cancels kept on this machine into the journal."""
    from shared.ops.database import database
    from shared.ops.direct_cancel import into_journal
    from shared.ops.reach import run

    async def written() -> int:
        async with database(session.settings) as pool:
            at_us = session.clock.now_ns() // 1_000
            return await into_journal(pool, spool_of(session, named), at_us=at_us)

    count = run(written())
    if session.printer.as_json:
        session.printer.value({"cancels": count})
    else:
        session.printer.answer(f"{count} direct cancels written into the journal")
