"""What a file of accounts may say, what it must not be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.accounts.account_file import read_accounts
from shared.errors import SettingsError
from tests.unit.accounts.builders import NOW_US

SECRET = "5up3r53cr3t"


def written(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    file = tmp_path / "accounts.toml"
    file.write_text(text)
    file.chmod(mode)
    os.utime(file, ns=(NOW_US * 1000, NOW_US * 1000))
    return file


def test_file_gives_accounts_with_tokens_as_old_as_itself(tmp_path: Path) -> None:
    text = f'[accounts.AB1234]\napi_key = "k"\napi_secret = "{SECRET}"\naccess_token = "t"\n'
    found = read_accounts(written(tmp_path, text + '[accounts.CD1]\napi_key="x"\nenabled=false'))
    assert found["AB1234"].credentials.api_secret.reveal() == SECRET
    assert found["AB1234"].session.issued_us == NOW_US
    assert found["AB1234"].session.expires_us > NOW_US
    assert (found["CD1"].session, found["CD1"].is_enabled) == (None, False)


def test_secrets_may_be_in_files_of_their_own(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("t0k3n\n")
    token.chmod(0o600)
    os.utime(token, ns=(NOW_US * 1000 + 5_000_000, NOW_US * 1000 + 5_000_000))
    text = f'[accounts.AB1234]\napi_key = "k"\naccess_token_file = "{token}"\n'
    session = read_accounts(written(tmp_path, text))["AB1234"].session
    assert (session.access_token.reveal(), session.issued_us) == ("t0k3n", NOW_US + 5_000)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o777])
def test_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(SettingsError, match="open to others; chmod 600"):
        read_accounts(written(tmp_path, "", mode))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'x = "{SECRET}', "is not TOML"),
        (f'accounts = "{SECRET}"', "Expected `object`"),
        (f'[accounts.ab]\napi_key = "{SECRET}"', "capital letters or digits"),
        (f'[accounts.AB1234]\napi_secret = "{SECRET}"', "missing required field `api_key`"),
        (f'[accounts.AB1234]\napi_key = ["{SECRET}"]', "Expected `str`"),
        (f'[accounts.AB1234]\napi_key = "k"\nsecret = "{SECRET}"', "unknown field"),
        (f'[accounts.AB1234]\napi_key = "{SECRET * 99}"', "length"),
        (
            f'[accounts.AB1234]\napi_key="k"\napi_secret="{SECRET}"\napi_secret_file="f"',
            "are both set",
        ),
        ('[accounts.AB1234]\napi_key="k"\napi_secret_file="/nowhere/at/all"', "cannot be read"),
    ],
)
def test_malformed_file_is_refused_without_its_secrets(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        read_accounts(written(tmp_path, text))
    assert SECRET not in str(caught.value)


def test_file_that_is_missing_binary_or_huge_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        read_accounts(tmp_path / "nowhere.toml")
    binary = written(tmp_path, "")
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="not UTF-8"):
        read_accounts(binary)
    binary.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(SettingsError, match="above 1048576 bytes"):
        read_accounts(binary)
