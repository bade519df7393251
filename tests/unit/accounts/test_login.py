"""What is taken for a token."""

from __future__ import annotations

import pytest

from publisher.settings import PublisherSection as PublisherBehaviour
from shared.accounts.book_settings import AccountsSettings
from shared.accounts.login import (
    complete_credentials,
    read_access_token,
    read_request_token,
)
from shared.accounts.resolving import Resolved
from shared.errors import SettingsError
from tests.unit.accounts.builders import credentials

TOKEN = "a1B2c3D4e5F6"


@pytest.mark.parametrize(
    "text",
    [
        TOKEN,
        f"  {TOKEN}\r\n",
        f"http://127.0.0.1:8765/?action=login&status=success&request_token={TOKEN}",
        f"https://desk.example/kite?request_token={TOKEN}&action=login#top",
        f"request_token={TOKEN}&status=success",
        f"?request_token={TOKEN}",
    ],
)
def test_request_token_is_found_alone_or_in_its_address(text: str) -> None:
    assert read_request_token(text).reveal() == TOKEN


@pytest.mark.parametrize(
    "text",
    ["", "abc", f"{TOKEN} {TOKEN}", f"{TOKEN}\n{TOKEN}", "a" * 129, "token;rm", "http://x/?a=b",
     "request_token=", "http://[x/?request_token=abcdefgh"],
)  # fmt: skip
def test_what_is_no_request_token_is_refused_unquoted(text: str) -> None:
    with pytest.raises(SettingsError, match="no request token") as caught:
        read_request_token(text)
    assert len(text) < 4 or text not in str(caught.value)


def test_access_token_is_one_printable_word() -> None:
    assert read_access_token(" t0k3n+/= \n").reveal() == "t0k3n+/="
    for text in ("", "two words", "t\x00ken12", "ä" * 10, "x" * 257):
        with pytest.raises(SettingsError, match="no access token"):
            read_access_token(text)


def test_login_needs_key_and_secret() -> None:
    with pytest.raises(SettingsError, match="no source gives its api_key"):
        complete_credentials(Resolved("AB1234"))
    bare = Resolved("AB1234", credentials=credentials("key", ""), credentials_from="environment")
    with pytest.raises(SettingsError, match="environment gives no api_secret"):
        complete_credentials(bare)


def test_login_is_caught_at_a_port_that_no_worker_listens_at():
    publisher = PublisherBehaviour()
    assert AccountsSettings().callback_port not in (publisher.port, publisher.kite_port)
