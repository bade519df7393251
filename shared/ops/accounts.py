"""`tickflow accounts`: who the pipeline acts for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shared.ops.outcome import Degraded, NotFound
from shared.ops.session import Session, output_options, pass_session

if TYPE_CHECKING:
    from shared.secret import Secret


@click.group()
def command() -> None:
    """Keep accounts in PostgreSQL, their credentials encrypted.

    An account in the environment (TICKFLOW_ACCOUNT__...) goes before one in the TOML file
    (TICKFLOW_ACCOUNTS__FILE), that before one in PostgreSQL.
    """


@command.command()
@click.argument("account")
@output_options
@pass_session
def add(session: Session, account: str) -> None:
    """Add ACCOUNT, or replace its credentials.

    api_key and api_secret are asked for unseen; without a terminal they are the first two lines
    of standard input. They are never arguments.
    """
    from shared.ops.account_desk import check_id
    from shared.ops.reach import run
    from shared.ops.typed_secrets import read_secret

    check_id(account)
    api_key, api_secret = read_secret("api_key"), read_secret("api_secret")
    is_new, untold = run(_add(session, account, api_key, api_secret))
    _answer(session, account, "added" if is_new else "credentials replaced", untold)


@command.command("list")
@output_options
@pass_session
def list_accounts(session: Session) -> None:
    """List every account that a source names, with the state of its session."""
    from shared.ops.account_rows import show
    from shared.ops.reach import run
    from shared.ops.sessions_read import statuses

    show(session.printer, run(statuses(session.settings, session.clock)))


@command.command()
@click.argument("account")
@output_options
@pass_session
def enable(session: Session, account: str) -> None:
    """Let workers use ACCOUNT again."""
    _switch(session, account, is_enabled=True)


@command.command()
@click.argument("account")
@output_options
@pass_session
def disable(session: Session, account: str) -> None:
    """Have no worker use ACCOUNT, wherever its credentials are; its session is left alone."""
    _switch(session, account, is_enabled=False)


@command.command("rotate-key")
@output_options
@pass_session
def rotate_key(session: Session) -> None:
    """Encrypt every value anew with the first of the encryption keys, all or none.

    First give every program the new key before the old ones (`accounts new-key`), then run this,
    then take the old ones away.
    """
    from shared.ops.reach import run

    values = run(_rotate(session))
    if session.printer.as_json:
        session.printer.value({"values": values})
    else:
        session.printer.answer(f"{values} values are under the first key now")


@command.command("new-key")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@output_options
@pass_session
def new_key(session: Session, file: Path) -> None:
    """Make an encryption key; FILE holds it then, before those that were in it, mode 0600.

    Name it in TICKFLOW_ACCOUNTS__ENCRYPTION_KEYS_FILE. Without the key nothing that was encrypted
    with it can be read again: keep a copy where the database's backups are not.
    """
    from shared.ops.key_file import put_in_front
    from shared.store.accounts_vault import new_key as fresh

    keys = put_in_front(file, fresh())
    if session.printer.as_json:
        session.printer.value({"file": str(file), "keys": keys})
    else:
        held = "1 key" if keys == 1 else f"{keys} keys, the new one first"
        session.printer.answer(f"{file} holds {held}")


async def _add(
    session: Session, account: str, api_key: Secret, api_secret: Secret
) -> tuple[bool, str]:
    from shared.ops.account_desk import account_desk
    from shared.store.accounts import Credentials

    async with account_desk(session.settings, session.clock) as desk:
        given = Credentials(api_key, api_secret)
        is_new = await desk.table.put_credentials(account, given, at_us=desk.now_us())
        return is_new, await desk.announce(account)


def _switch(session: Session, account: str, *, is_enabled: bool) -> None:
    from shared.ops.reach import run

    untold = run(_set_enabled(session, account, is_enabled=is_enabled))
    _answer(session, account, "enabled" if is_enabled else "disabled", untold)


async def _set_enabled(session: Session, account: str, *, is_enabled: bool) -> str:
    from shared.ops.account_desk import account_desk, check_id

    check_id(account)
    async with account_desk(session.settings, session.clock) as desk:
        known = await desk.table.set_enabled(account, is_enabled=is_enabled, at_us=desk.now_us())
        if not known:
            raise NotFound(_not_kept(account, is_elsewhere=account in desk.known))
        return await desk.announce(account)


def _not_kept(account: str, *, is_elsewhere: bool) -> str:
    text = f"account {account} is not in PostgreSQL"
    if not is_elsewhere:
        return text
    return (
        f"{text}, but comes from the environment or a file: add it with `tickflow accounts add "
        f"{account}` first, or stop its orders with `tickflow trading halt --account {account}`"
    )


async def _rotate(session: Session) -> int:
    from shared.ops.account_desk import account_desk

    async with account_desk(session.settings, session.clock) as desk:
        return await desk.table.reseal(at_us=desk.now_us())


def _answer(session: Session, account: str, what: str, untold: str) -> None:
    if session.printer.as_json:
        session.printer.value({"account": account, "done": what, "announced": not untold})
    else:
        session.printer.answer(f"account {account}: {what}")
    if untold:
        raise Degraded(untold)
