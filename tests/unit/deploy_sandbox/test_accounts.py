"""Who is logged in, until when."""

import hashlib
from datetime import datetime

import pytest

from deploy.sandbox.accounts import Accounts
from deploy.sandbox.expiry_calendar import IST
from deploy.sandbox.settings import default_account
from shared.errors import KiteRejected

NOW_S = int(datetime(2026, 11, 25, 10, tzinfo=IST).timestamp())
WHO = default_account(1)


def accounts(*, tokens_expire: bool = True) -> Accounts:
    return Accounts([WHO], NOW_S, tokens_expire=tokens_expire)


def checksum(request_token: str) -> str:
    return hashlib.sha256(
        (WHO.api_key + request_token + WHO.api_secret.reveal()).encode()
    ).hexdigest()


def test_account_is_known_by_key_with_token() -> None:
    found = accounts().authorize(f"token {WHO.api_key}:{WHO.access_token.reveal()}", NOW_S)
    assert found.user_id == "SB0001"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "token",
        "Bearer a:b",
        f"token {WHO.api_key}:wrong",
        f"token wrong:{WHO.access_token.reveal()}",
    ],
)
def test_account_with_anything_else_is_refused_with_a_403(header: str) -> None:
    with pytest.raises(KiteRejected, match="Incorrect `api_key` or `access_token`") as caught:
        accounts().authorize(header, NOW_S)
    assert (caught.value.status, caught.value.error_type) == (403, "TokenException")


def test_token_dies_at_six_the_next_morning_in_india() -> None:
    found = accounts()
    six_s = int(datetime(2026, 11, 26, 6, tzinfo=IST).timestamp())
    found.authenticate(WHO.api_key, WHO.access_token.reveal(), six_s - 1)
    with pytest.raises(KiteRejected):
        found.authenticate(WHO.api_key, WHO.access_token.reveal(), six_s)
    accounts(tokens_expire=False).authenticate(WHO.api_key, WHO.access_token.reveal(), six_s)


def test_login_with_the_right_checksum_gives_a_new_token_and_ends_the_old() -> None:
    found = accounts()
    token = found.begin_login(found.all()[0], NOW_S)
    account = found.finish_login(WHO.api_key, token, checksum(token), NOW_S)
    assert len(account.access_token.reveal()) == 32
    with pytest.raises(KiteRejected):
        found.authenticate(WHO.api_key, WHO.access_token.reveal(), NOW_S)


def test_login_with_a_wrong_checksum_or_a_used_token_is_refused() -> None:
    found = accounts()
    token = found.begin_login(found.all()[0], NOW_S)
    with pytest.raises(KiteRejected):
        found.finish_login(WHO.api_key, token, "0" * 64, NOW_S)
    found.finish_login(WHO.api_key, token, checksum(token), NOW_S)
    with pytest.raises(KiteRejected):
        found.finish_login(WHO.api_key, token, checksum(token), NOW_S)


def test_login_too_late_is_refused() -> None:
    found = accounts()
    token = found.begin_login(found.all()[0], NOW_S)
    with pytest.raises(KiteRejected):
        found.finish_login(WHO.api_key, token, checksum(token), NOW_S + 300)
