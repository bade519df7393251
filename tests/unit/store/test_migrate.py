from __future__ import annotations

import pytest

from shared.errors import LocalError
from shared.store.migrate import Migration, check_history, check_names, packaged

ONE = Migration("0001_pre_one.sql", "SELECT 1")


def test_packaged_migrations_are_numbered_without_a_hole():
    assert [each.name[:4] for each in packaged()] == [
        f"{number:04d}" for number in range(1, len(packaged()) + 1)
    ]


@pytest.mark.parametrize("name", ["0002_pre_one.sql", "0001_one.sql", "0001_pre_One.sql"])
def test_migration_with_a_wrong_name_is_refused(name):
    with pytest.raises(LocalError, match=name):
        check_names((Migration(name, ""),))


def test_history_that_agrees_is_accepted():
    check_history((ONE,), {ONE.name: ONE.checksum})
