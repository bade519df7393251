from __future__ import annotations

from pathlib import Path

from shared.runtime.numba_cache import cache_root


def test_operators_folder_holds_the_caches_of_all_versions() -> None:
    assert cache_root({"NUMBA_CACHE_DIR": "/var/cache/tickflow"}) == Path("/var/cache/tickflow")


def test_folder_that_a_process_of_ours_named_is_not_nested_in() -> None:
    named = {"NUMBA_CACHE_DIR": "/var/cache/tickflow/numba-0123456789abcdef"}
    assert cache_root(named) == Path("/var/cache/tickflow")


def test_users_cache_is_taken_where_nothing_is_named() -> None:
    assert cache_root({"XDG_CACHE_HOME": "/cache"}) == Path("/cache/tickflow")
    assert cache_root({"HOME": "/home/one"}) == Path("/home/one/.cache/tickflow")
