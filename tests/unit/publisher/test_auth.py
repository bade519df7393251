"""Keys open what their scopes say."""

import pytest

from publisher import new_key
from publisher.access.auth import Keyring, digest, read_keyring
from shared.errors import SettingsError

KEY = "k" * 43


def keyring(scopes: str = "ticks") -> Keyring:
    return read_keyring([f"desk:{scopes}:{digest(KEY)}"])


def test_a_key_is_found_by_its_hash() -> None:
    assert keyring().find(KEY).name == "desk"


@pytest.mark.parametrize("key", ["", "x" * 43, "k" * 42, "\ud800" * 30, "k" * 5000])
def test_another_key_is_not_found(key: str) -> None:
    assert keyring().find(key) is None


def test_a_short_key_is_never_good_even_where_its_hash_is_listed() -> None:
    assert read_keyring([f"desk:ticks:{digest('password')}"]).find("password") is None


def test_the_hash_itself_opens_nothing() -> None:
    assert keyring().find(digest(KEY)) is None


def test_scopes_are_told_apart() -> None:
    principal = keyring("orders:SB0001").find(KEY)
    assert not principal.may_read_ticks
    assert principal.may_read_orders("SB0001")
    assert not principal.may_read_orders("SB0002")


def test_reading_an_account_is_not_trading_it() -> None:
    principal = keyring("orders:*+trade:SB0001").find(KEY)
    assert principal.may_trade("SB0001")
    assert not principal.may_trade("SB0002")
    assert not principal.may_want
    assert keyring("wants").find(KEY).may_want


def test_a_star_means_every_account() -> None:
    principal = keyring("ticks+orders:*").find(KEY)
    assert principal.may_read_ticks
    assert principal.may_read_orders("SB0002")


@pytest.mark.parametrize(
    "line",
    [
        "",
        "desk",
        "desk:ticks",
        f"desk::{digest(KEY)}",
        f"desk:admin:{digest(KEY)}",
        f"desk:ticks+:{digest(KEY)}",
        f"de sk:ticks:{digest(KEY)}",
        "desk:ticks:deadbeef",
        f"desk:orders:sb0001:{digest(KEY)}",
    ],
)
def test_a_malformed_line_is_refused_without_quoting_its_hash(line: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_keyring([line])
    assert digest(KEY) not in str(caught.value)


def test_the_same_name_or_hash_twice_is_refused() -> None:
    with pytest.raises(SettingsError, match="repeats the hash"):
        read_keyring([f"a:ticks:{digest(KEY)}", f"b:ticks:{digest(KEY)}"])
    with pytest.raises(SettingsError, match="repeats the name"):
        read_keyring([f"a:ticks:{digest(KEY)}", f"a:ticks:{digest('j' * 43)}"])


def test_a_new_key_opens_what_its_line_says(capsys) -> None:
    assert new_key.main(["desk", "ticks+orders:SB0001"]) == 0
    key_line, setting_line = capsys.readouterr().out.splitlines()
    principal = read_keyring([setting_line.split(": ", 1)[1]]).find(key_line.split()[-1])
    assert principal.name == "desk"
    assert principal.may_read_orders("SB0001")


def test_a_new_key_of_an_unknown_scope_is_not_made(capsys) -> None:
    assert new_key.main(["desk", "everything"]) == 2
    assert new_key.main([]) == 2
    assert capsys.readouterr().out == ""
