"""PostgreSQL runs from places that its user could not reach by itself."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import asyncpg
import pytest

from deploy.local.binaries import PostgresBinaries, find_postgres
from deploy.local.places import private_directory
from deploy.local.postgres_home import outside_place
from deploy.local.servers import postgres_server
from shared.errors import LocalError

pytestmark = pytest.mark.integration


@pytest.fixture
def closed_binaries(state: Path) -> PostgresBinaries:
    found = find_postgres()
    package = private_directory(state / "closed" / found.root.parent.name)
    shutil.copytree(found.root, package / found.root.name, symlinks=True)
    libraries = found.root.parent.with_name(f"{found.root.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, package.with_name(libraries.name), symlinks=True)
    root = package / found.root.name
    return PostgresBinaries(root=root, bin=root / "bin")


def _uids(pid: int) -> list[str]:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(line for line in status.splitlines() if line.startswith("Uid:")).split()[1:]


async def test_programs_in_a_closed_directory_run_with_no_permission_widened(
    state: Path, closed_binaries: PostgresBinaries
) -> None:
    above = [closed_binaries.bin, *closed_binaries.bin.parents]
    before = [stat.S_IMODE(path.stat().st_mode) for path in above]
    async with postgres_server(state / "postgres", binaries=closed_binaries, keep=False) as server:
        connection = await asyncpg.connect(server.url.reveal())
        assert await connection.fetchval("SELECT current_user") == "tickflow"
        await connection.close()
        assert stat.S_IMODE(server.data_directory.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in above] == before
    assert not outside_place(state / "postgres").exists()


async def test_the_server_never_runs_as_root(state: Path) -> None:
    async with postgres_server(state / "postgres", keep=False) as server:
        assert server.child is not None
        uids = _uids(server.child.identity.pid)
    assert set(uids) == {uids[0]}
    assert uids[0] != "0"


async def test_a_place_of_somebody_else_is_not_used(state: Path) -> None:
    if os.geteuid() != 0:
        return  # only root's data lies in a place that somebody else could have made before
    outside_place(state / "postgres").mkdir(mode=0o755)
    with pytest.raises(LocalError, match="is not a 0700 directory of user"):
        async with postgres_server(state / "postgres"):
            pass


async def test_data_of_another_major_version_is_left_alone_with_a_sentence(state: Path) -> None:
    async with postgres_server(state / "postgres") as server:
        version = server.data_directory / "PG_VERSION"
    version.write_text("9\n")
    with pytest.raises(LocalError, match=r"was made by PostgreSQL 9.*make clean"):
        async with postgres_server(state / "postgres"):
            pass


async def test_the_data_of_a_state_directory_that_is_gone_is_swept_away(state: Path) -> None:
    async with postgres_server(state / "gone"):
        left = outside_place(state / "gone")
    shutil.rmtree(state / "gone")
    async with postgres_server(state / "postgres", keep=False):
        assert not left.exists()


async def test_a_state_directory_removed_by_hand_is_made_anew(state: Path) -> None:
    async with postgres_server(state / "postgres"):
        pass
    shutil.rmtree(state / "postgres")
    async with postgres_server(state / "postgres", keep=False) as server:
        connection = await asyncpg.connect(server.url.reveal())
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()


async def test_data_under_another_password_is_named_at_once(state: Path) -> None:
    async with postgres_server(state / "postgres"):
        pass
    (state / "postgres" / "superuser.password").write_text("another")
    with pytest.raises(LocalError, match="under another password"):
        async with postgres_server(state / "postgres", keep=False):
            pass
