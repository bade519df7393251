"""What a process arranges with its machine before its work begins."""

from __future__ import annotations

import pathlib
import stat

import pytest
from structlog.testing import capture_logs

from shared.runtime.process import name_numba_cache


@pytest.fixture
def source(tmp_path: pathlib.Path) -> pathlib.Path:
    folder = tmp_path / "kernels"
    (folder / "inner").mkdir(parents=True)
    (folder / "price.py").write_text("x = 1\n")
    (folder / "inner" / "root.py").write_text("y = 2\n")
    return folder


def named(root: pathlib.Path, *sources: pathlib.Path) -> pathlib.Path:
    return name_numba_cache(root, sources, environ={}, imported=())


def test_numba_cache_is_private_and_named_in_the_environment(
    tmp_path: pathlib.Path, source: pathlib.Path
) -> None:
    environ: dict[str, str] = {}
    directory = name_numba_cache(tmp_path / "cache", [source], environ=environ, imported=())
    assert environ == {"NUMBA_CACHE_DIR": str(directory)}
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert directory.parent == tmp_path / "cache"


def test_numba_cache_of_the_same_sources_is_the_same(
    tmp_path: pathlib.Path, source: pathlib.Path
) -> None:
    assert named(tmp_path, source) == named(tmp_path, source)


def test_numba_cache_of_an_edited_called_function_is_another(
    tmp_path: pathlib.Path, source: pathlib.Path
) -> None:
    before = named(tmp_path, source)
    (source / "inner" / "root.py").write_text("y = 3\n")
    assert named(tmp_path, source) != before


def test_numba_cache_of_a_renamed_source_is_another(
    tmp_path: pathlib.Path, source: pathlib.Path
) -> None:
    before = named(tmp_path, source)
    (source / "price.py").rename(source / "prices.py")
    assert named(tmp_path, source) != before


def test_numba_cache_where_the_root_is_a_file_is_temporary_with_a_warning(
    tmp_path: pathlib.Path, source: pathlib.Path
) -> None:
    root = tmp_path / "file"
    root.write_text("")
    with capture_logs() as lines:
        directory = named(root, source)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert root not in directory.parents
    assert [line["event"] for line in lines] == ["numba_cache.unusable"]
    directory.rmdir()


def test_numba_cache_that_others_can_write_is_not_trusted(
    tmp_path: pathlib.Path, source: pathlib.Path
) -> None:
    named(tmp_path, source).chmod(0o777)
    with capture_logs() as lines:
        directory = named(tmp_path, source)
    assert directory.parent != tmp_path
    assert len(lines) == 1
    directory.rmdir()


def test_numba_cache_named_too_late_is_a_bug(tmp_path: pathlib.Path, source: pathlib.Path) -> None:
    with pytest.raises(RuntimeError, match="before numba is imported"):
        name_numba_cache(tmp_path, [source], environ={}, imported={"numba"})
