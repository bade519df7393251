"""No test is skipped in silence."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from tests.support.skips import LISTED, Skipped, read_list, unlisted

LIST = """
[[skip]]
test = "tests/integration/kafka/*"
reason = "no Java"
since = 2026-11-22
until = 2027-02-28
"""
KAFKA = Skipped("tests/integration/kafka/test_a.py::test_b", "no Java")
OTHER = Skipped("tests/unit/test_c.py::test_d", "tired")


def test_a_listed_skip_is_allowed_until_its_day() -> None:
    allowed = read_list(LIST)
    assert unlisted([KAFKA, OTHER], allowed, dt.date(2027, 2, 28)) == [OTHER]
    assert unlisted([KAFKA], allowed, dt.date(2027, 3, 1)) == [KAFKA]


def test_an_entry_without_a_reason_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="reason"):
        read_list(LIST.replace('reason = "no Java"', ""))


def test_the_list_of_this_project_can_be_read() -> None:
    read_list(LISTED.read_text())
