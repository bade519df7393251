"""The ways to a request token: the browser's return, a paste, a hook."""

from __future__ import annotations

import asyncio
import webbrowser
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlencode

from shared.accounts.login import read_request_token
from shared.errors import SettingsError
from shared.kite.session import login_url
from shared.ops.login_callback import listening
from shared.ops.login_hook import run_hook
from shared.ops.reach import run
from shared.ops.settings import OpsSettings
from shared.ops.typed_secrets import is_terminal, read_secret
from shared.secret import Secret

Way = Literal["paste", "callback", "hook"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Who is to log in, with what is needed to ask them."""

    account: str
    api_key: Secret
    settings: OpsSettings
    environ: Mapping[str, str]
    opens_browser: bool
    say: Callable[[str], None]


def request_token(asking: Asking, way: Way | None) -> Secret:
    """Return a request token, the way that was named, else the hook, else a person.

    Raises:
        SettingsError: what was pasted is no request token, or there is no hook.
        LocalError: nobody logged in, or the hook failed.
    """
    chosen = way or _usual(asking)
    if chosen == "hook":
        return run(_hooked(asking))
    return run(_returned(asking)) if chosen == "callback" else _pasted(asking)


def _usual(asking: Asking) -> Way:
    if asking.settings.accounts.login_hook:
        return "hook"
    return "callback" if is_terminal() else "paste"


async def _hooked(asking: Asking) -> Secret:
    accounts = asking.settings.accounts
    if not accounts.login_hook:
        raise SettingsError("accounts.login_hook is not set")
    return await run_hook(
        accounts.login_hook,
        account=asking.account,
        login_url=Secret(_login_url(asking)),
        environ=asking.environ,
        timeout_s=accounts.login_hook_timeout_s,
    )


def _pasted(asking: Asking) -> Secret:
    asking.say(f"Log in at {_login_url(asking)}\nthen give the address it led to.")
    # Outside of any loop, which would swallow a Ctrl-C while a line is read.
    return read_request_token(read_secret("request_token").reveal())


async def _returned(asking: Asking) -> Secret:
    accounts = asking.settings.accounts
    async with listening(accounts.callback_port) as callback:
        # Kite hands these parameters back, so that only the answer to this login is taken.
        # Source: kite.trade/docs/connect/v3/user, login flow (read 2026-11).
        extra = urlencode({"redirect_params": urlencode({"state": callback.state})}, safe="")
        callback.login_url = Secret(f"{_login_url(asking)}&{extra}")
        asking.say(
            f"Log in at {callback.start_url}\n"
            f"The redirect URL registered at Kite must be http://127.0.0.1:{callback.port}/"
        )
        if asking.opens_browser:
            await asyncio.to_thread(webbrowser.open, callback.start_url)
        return await callback.request_token(accounts.login_timeout_s)


def _login_url(asking: Asking) -> str:
    return login_url(asking.settings.kite, asking.api_key.reveal())
