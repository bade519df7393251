from __future__ import annotations

import asyncpg
import pytest

from shared.errors import StoreError
from shared.store.pool import durability_problems, translate

SOUND = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "server_version_num": "140001",
}


def test_server_that_keeps_its_commits_has_no_problem():
    assert durability_problems(SOUND) == []


@pytest.mark.parametrize("mode", ["remote_write", "remote_apply"])
def test_server_that_waits_for_its_standby_has_no_problem(mode):
    assert durability_problems({**SOUND, "synchronous_commit": mode}) == []


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("fsync", "off"),
        ("full_page_writes", "off"),
        ("synchronous_commit", "off"),
        ("synchronous_commit", "local"),
        ("server_version_num", "130010"),
    ],
)
def test_server_that_could_lose_a_commit_has_one_problem(setting, value):
    assert len(durability_problems({**SOUND, setting: value})) == 1


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError("gone"),
        TimeoutError("slow"),
        asyncpg.InterfaceError("closed"),
        asyncpg.InternalClientError("another operation is in progress"),
    ],
)
def test_translate_vendor_failure_becomes_a_store_error_from_it(error):
    with pytest.raises(StoreError) as caught, translate():
        raise error
    assert caught.value.__cause__ is error


def test_translate_leaves_other_errors_alone():
    with pytest.raises(KeyError), translate():
        raise KeyError("ours")
