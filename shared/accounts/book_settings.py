"""Where accounts are found, how logins are helped."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from shared.secret import Secret

_Argument = Annotated[str, Meta(min_length=1, max_length=1000)]


class AccountsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section `accounts`: the environment's account goes before the file's, then PostgreSQL's."""

    file: Annotated[
        str, Meta(description="TOML file of accounts, readable by few; empty: there is none")
    ] = ""
    encryption_keys: Annotated[
        tuple[Secret, ...],
        Meta(
            max_length=8,
            description="keys of the credentials in PostgreSQL: the first seals, all open",
        ),
    ] = ()
    poll_s: Annotated[
        float, Meta(ge=0.1, le=300, description="longest time until a missed change is noticed")
    ] = 5.0
    callback_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65_535,
            description="loopback port of the redirect URL registered at Kite; 0: a free one",
        ),
    ] = 8_760
    login_timeout_s: Annotated[
        float, Meta(gt=0, le=3600, description="longest wait for a person to log in")
    ] = 300.0
    login_hook: Annotated[
        tuple[_Argument, ...],
        Meta(
            max_length=50,
            description="program with arguments, no shell, no secrets; prints a request token",
        ),
    ] = ()
    login_hook_timeout_s: Annotated[
        float, Meta(gt=0, le=3600, description="longest run of the hook")
    ] = 120.0
