"""`tickflow session`: the day's login of an account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shared.ops.outcome import Degraded, ExitCode
from shared.ops.session import Session, output_options, pass_session

if TYPE_CHECKING:
    from shared.accounts.login import Kept
    from shared.ops.login_ways import Asking, Way
    from shared.secret import Secret


@click.group()
def command() -> None:
    """Log accounts in for the day; a token dies at 06:00 IST of the next morning.

    Workers take a new token over without a restart, unless theirs is set by the environment or
    by the TOML file: those go before PostgreSQL, where logins are kept.
    """


@command.command()
@click.argument("account")
@click.option("--paste", "way", flag_value="paste", help="Ask for the request token.")
@click.option("--callback", "way", flag_value="callback", help="Wait for the browser's return.")
@click.option("--hook", "way", flag_value="hook", help="Run accounts.login_hook.")
@click.option("--browser/--no-browser", default=True, help="Open the login page, or only say it.")
@output_options
@pass_session
def login(session: Session, account: str, way: Way | None, *, browser: bool) -> None:
    """Log ACCOUNT in: a person at the broker's page, or accounts.login_hook.

    Without a terminal the request token, or the address it came in, is read from standard input.
    The redirect URL registered at Kite is http://127.0.0.1:8760/ (accounts.callback_port).
    """
    from shared.ops.login_ways import request_token
    from shared.ops.reach import run

    # No connection is held while somebody looks for a telephone.
    token = request_token(_asking(session, account, opens_browser=browser), way)
    kept, untold = run(_exchange(session, account, token))
    _tell(session, account, kept, untold)


@command.command("set")
@click.argument("account")
@output_options
@pass_session
def set_token(session: Session, account: str) -> None:
    """Keep an access token made elsewhere: asked for unseen, or a line of standard input."""
    from shared.accounts.login import read_access_token
    from shared.ops.reach import run
    from shared.ops.typed_secrets import read_secret

    token = read_access_token(read_secret("access_token").reveal())

    async def keep() -> tuple[Kept, str]:
        from shared.ops.account_desk import account_desk

        async with account_desk(session.settings, session.clock) as desk:
            kept = await desk.sessions.adopt(desk.account(account), token)
            return kept, await desk.announce(account, kept.version)

    kept, untold = run(keep())
    _tell(session, account, kept, untold)


@command.command()
@click.argument("account", required=False)
@click.option("--verify", is_flag=True, help="Ask the broker whether it accepts the token.")
@output_options
@click.pass_context
@pass_session
def status(session: Session, context: click.Context, account: str | None, *, verify: bool) -> None:
    """Say when sessions were issued, when they expire, when the broker last accepted them.

    Exit 3 where an enabled account has no living token from 08:30 IST on, or was just refused.
    """
    from shared.accounts.token_state import TokenState
    from shared.ops.account_rows import show
    from shared.ops.reach import run
    from shared.ops.sessions_read import statuses

    found = run(statuses(session.settings, session.clock, account=account, is_verifying=verify))
    show(session.printer, found)
    dead = {TokenState.MISSING, TokenState.EXPIRED}
    if any(each.is_enabled and (each.trouble or (verify and each.token in dead)) for each in found):
        context.exit(ExitCode.DEGRADED)


@command.command()
@click.argument("account")
@output_options
@pass_session
def logout(session: Session, account: str) -> None:
    """End the session of ACCOUNT at the broker, forget its token."""
    from shared.ops.reach import run

    is_told, untold = run(_logout(session, account))
    if session.printer.as_json:
        session.printer.value({"account": account, "broker": is_told, "announced": not untold})
    else:
        session.printer.answer(f"account {account}: logged out")
    if not is_told:
        raise Degraded("the token is forgotten, but the broker could not be told to end it")
    if untold:
        raise Degraded(untold)


def _asking(session: Session, account: str, *, opens_browser: bool) -> Asking:
    from shared.accounts.login import complete_credentials
    from shared.ops.login_ways import Asking
    from shared.ops.reach import run
    from shared.ops.sessions_read import resolved

    found = run(resolved(session.settings, session.clock, account))
    return Asking(
        account=account,
        api_key=complete_credentials(found).api_key,
        settings=session.settings,
        environ=session.environ,
        opens_browser=opens_browser,
        # Beside the answer even with --json: without it nobody could log in.
        say=lambda text: click.echo(text, err=True),
    )


async def _exchange(session: Session, account: str, token: Secret) -> tuple[Kept, str]:
    from shared.ops.account_desk import account_desk

    async with account_desk(session.settings, session.clock) as desk:
        kept = await desk.sessions.exchange(desk.account(account), token)
        return kept, await desk.announce(account, kept.version)


async def _logout(session: Session, account: str) -> tuple[bool, str]:
    from shared.ops.account_desk import account_desk

    async with account_desk(session.settings, session.clock) as desk:
        version, is_told = await desk.sessions.end(desk.account(account))
        return is_told, await desk.announce(account, version or 0)


def _tell(session: Session, account: str, kept: Kept, untold: str) -> None:
    from msgspec import to_builtins

    from shared.ops.account_rows import moment

    if session.printer.as_json:
        told = {"account": account, "announced": not untold}
        session.printer.value({**told, **to_builtins(kept)})
    else:
        session.printer.answer(
            f"account {account}: logged in until {moment(kept.expires_us)}"
            f"{', accepted by the broker' if kept.is_verified else ''}"
        )
    if not kept.is_verified:
        raise Degraded("the token is kept, but the broker could not be asked whether it is good")
    if untold:
        raise Degraded(untold)
