"""One account's credentials as a worker reads them from settings."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from shared.secret import Secret


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The Kite account this worker acts for."""

    id: Annotated[
        str,
        Meta(pattern=r"\A[A-Z0-9]{2,16}\Z", description="Zerodha client id, as in stream names"),
    ]
    api_key: Annotated[str, Meta(min_length=1, max_length=64, description="Kite Connect api_key")]
    access_token: Annotated[Secret, Meta(description="the day's session token; dies at 06:00 IST")]
    api_secret: Annotated[Secret, Meta(description="only for logins and postback checksums")] = (
        Secret("")
    )
