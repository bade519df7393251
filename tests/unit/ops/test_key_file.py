"""The file of keys."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from shared.errors import SettingsError
from shared.ops.key_file import put_in_front
from shared.ops.settings import load_settings
from shared.store.accounts_vault import KEYS_MAX, Vault, new_key


def test_new_key_goes_in_front_of_the_old_ones_unreadable_to_others(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    first, second = new_key(), new_key()
    assert put_in_front(file, first) == 1
    assert put_in_front(file, second) == 2
    assert file.read_text() == f"{second.reveal()},{first.reveal()}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_file_of_keys_is_what_settings_read(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    keys = [new_key(), new_key()]
    for key in keys:
        put_in_front(file, key)
    environ = {
        "TICKFLOW_LOCAL__STATE_DIR": str(tmp_path),
        "TICKFLOW_ACCOUNTS__ENCRYPTION_KEYS_FILE": str(file),
    }
    read = load_settings(environ).accounts.encryption_keys
    assert read == tuple(reversed(keys))
    assert Vault(read).has_keys


def test_file_with_something_else_in_it_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("precious")
    with pytest.raises(SettingsError, match="is no file of keys"):
        put_in_front(file, new_key())
    assert file.read_text() == "precious"


def test_full_file_says_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    for _ in range(KEYS_MAX):
        put_in_front(file, new_key())
    with pytest.raises(SettingsError, match="rotate-key"):
        put_in_front(file, new_key())


def test_command_prints_no_key(run, tmp_path: Path) -> None:
    file = tmp_path / "keys"
    result = run("accounts", "new-key", str(file))
    assert result.exit_code == 0
    assert file.read_text().strip() not in result.output


@pytest.mark.parametrize(
    "words",
    [
        ("accounts", "list"),
        ("session", "status"),
        ("session", "login", "AB1234"),
        ("accounts", "disable", "AB1234"),
    ],
)
def test_commands_without_a_database_say_so(run, words: tuple[str, ...]) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert "TICKFLOW_POSTGRES__URL" in result.stderr


def test_configuration_shows_no_key(run, tmp_path: Path) -> None:
    key = new_key().reveal()
    result = run("config", "show", "ops", "--effective", TICKFLOW_ACCOUNTS__ENCRYPTION_KEYS=key)
    assert result.exit_code == 0
    assert "accounts.encryption_keys = ***" in result.stdout
    assert key not in result.output
