from __future__ import annotations

import pytest

from shared.errors import LocalError
from shared.store.migrate import Migration, check_history, check_names, packaged

ONE = Migration("0001_pre_one.sql", "SELECT 1")


def test_packaged_migrations_are_numbered_in_order():
    numbers = [int(each.name[:4]) for each in packaged()]
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize(
    "name", ["one.sql", "0001_one.sql", "0001_pre_One.sql", "0000_pre_one.sql"]
)
def test_migration_with_a_wrong_name_is_refused(name):
    with pytest.raises(LocalError, match=name):
        check_names((Migration(name, ""),))


def test_migration_whose_number_was_used_is_refused():
    with pytest.raises(LocalError, match=r"0001_pre_two\.sql.*above 0001"):
        check_names((ONE, Migration("0001_pre_two.sql", "SELECT 2")))


def test_numbers_may_leave_holes():
    check_names((ONE, Migration("0055_pre_far.sql", "SELECT 2")))


def test_history_that_agrees_is_accepted():
    check_history((ONE,), {ONE.name: ONE.checksum})
