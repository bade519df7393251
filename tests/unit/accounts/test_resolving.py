"""Environment before file before PostgreSQL."""

from __future__ import annotations

import itertools

import pytest

from shared.accounts.resolving import keep_unopened, resolve
from tests.unit.accounts.builders import NOW_US, credentials, row, session

SOURCES = ("environment", "file", "PostgreSQL")


def one(*rows):
    named = zip(SOURCES, rows, strict=False)
    sources = [(name, {each.account: each} if each else {}) for name, each in named]
    return resolve(sources, now_us=NOW_US)["AB1234"]


@pytest.mark.parametrize("present", list(itertools.product([False, True], repeat=3))[1:])
def test_first_source_that_names_an_account_decides(present) -> None:
    rows = [
        row(credentials=credentials("key", name), session=session(name)) if here else None
        for name, here in zip(SOURCES, present, strict=True)
    ]
    first = SOURCES[present.index(True)]
    found = one(*rows)
    assert (found.credentials_from, found.session_from) == (first, first)
    assert found.credentials.api_secret.reveal() == first
    assert found.session.access_token.reveal() == first


def test_token_of_a_later_source_serves_credentials_without_one() -> None:
    found = one(None, row(credentials=credentials()), row(session=session(), session_version=7))
    assert (found.credentials_from, found.session_from) == ("file", "PostgreSQL")
    assert found.session_version == 7


def test_token_issued_for_another_key_is_never_mixed_in() -> None:
    found = one(row(credentials=credentials("new")), None, row(session=session(api_key="old")))
    assert found.session is None
    assert found.problems == ("PostgreSQL: its session was issued for another api_key",)


def test_secret_of_a_later_source_completes_the_same_key_only() -> None:
    bare = row(credentials=credentials("key", ""))
    assert one(bare, row(credentials=credentials("key", "s"))).credentials == credentials(
        "key", "s"
    )
    other = one(bare, row(credentials=credentials("another", "s")))
    assert not other.credentials.api_secret


@pytest.mark.parametrize("position", range(3))
def test_account_disabled_anywhere_is_disabled(position: int) -> None:
    rows = [row(credentials=credentials(), is_enabled=each != position) for each in range(3)]
    assert not one(*rows).is_enabled


def test_problem_of_one_source_is_told_while_another_serves() -> None:
    found = one(None, row(credentials=credentials()), row(problem="api_key: damaged"))
    assert found.credentials_from == "file"
    assert found.problems == ("PostgreSQL: api_key: damaged",)


def test_accounts_of_all_sources_come_together() -> None:
    found = resolve([("file", {"B1": row("B1")}), ("PostgreSQL", {"A1": row("A1")})], now_us=0)
    assert list(found) == ["A1", "B1"]


def test_resolved_account_prints_no_secret() -> None:
    found = one(row(credentials=credentials("k3y", "s3cr3t"), session=session("t0k3n", "k3y")))
    assert not [word for word in ("k3y", "s3cr3t", "t0k3n") if word in repr(found)]


def test_session_that_is_over_gives_way_to_a_later_source_with_a_living_one() -> None:
    old = session("old", issued_us=NOW_US - 86_400_000_000)
    dead = row(credentials=credentials(), session=old)
    assert one(dead, None, row(session=session("new"))).session.access_token.reveal() == "new"
    assert one(dead, None, row()).session.access_token.reveal() == "old"


def test_row_that_no_key_opens_keeps_what_was_known_of_the_same_session() -> None:
    before = {"AB1234": row(credentials=credentials(), session=session(), session_version=3)}
    same = keep_unopened({"AB1234": row(problem="no key", session_version=3)}, before)["AB1234"]
    assert (same.credentials, same.session) == (credentials(), session())
    later = keep_unopened({"AB1234": row(problem="no key", session_version=4)}, before)["AB1234"]
    assert (later.credentials, later.session) == (credentials(), None)
    ended = keep_unopened({"AB1234": row(session_version=4)}, before)["AB1234"]
    assert (ended.credentials, ended.session) == (None, None)
