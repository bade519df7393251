"""Directories and files that only their owner may enter."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from deploy.local.places import (
    SOCKET_PATH_BYTES_MAX,
    private_directory,
    short_hash,
    socket_directory,
    write_private,
)
from shared.errors import LocalError


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_private_directory_is_closed_with_everything_made_above_it(tmp_path: Path) -> None:
    made = private_directory(tmp_path / "a" / "b")
    assert [_mode(made), _mode(made.parent)] == [0o700, 0o700]


def test_private_directory_closes_one_of_ours_that_stood_open(tmp_path: Path) -> None:
    (tmp_path / "open").mkdir(mode=0o755)
    assert _mode(private_directory(tmp_path / "open")) == 0o700


def test_private_directory_refuses_a_symbolic_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(LocalError, match="is not a directory of user"):
        private_directory(tmp_path / "link")


def test_private_directory_where_a_file_stands_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalError, match="TICKFLOW_LOCAL__STATE_DIR"):
        private_directory(tmp_path / "file" / "state")


def test_socket_directory_stays_where_it_was_wished_if_the_path_fits(tmp_path: Path) -> None:
    short = Path("/tmp") / f"tickflow-test-{short_hash(tmp_path)}"
    found = socket_directory(short, longest_name="redis.sock")
    found.rmdir()
    assert found == short


def test_socket_directory_of_a_deep_path_is_short_closed_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    deep = tmp_path / ("d" * SOCKET_PATH_BYTES_MAX)
    found = socket_directory(deep, longest_name="redis.sock")
    again = socket_directory(deep, longest_name="redis.sock")
    mode = _mode(found)
    found.rmdir()
    assert found == again
    assert mode == 0o700
    assert len(str(found / "redis.sock")) <= SOCKET_PATH_BYTES_MAX


def test_write_private_replaces_a_file_whole_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("old and longer")
    write_private(file, "new")
    assert file.read_text() == "new"
    assert _mode(file) == 0o600
    assert list(tmp_path.iterdir()) == [file]
