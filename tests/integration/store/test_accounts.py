"""The table of accounts on a real server."""

from __future__ import annotations

import pytest

from shared.errors import SettingsError, StoreError
from shared.secret import Secret
from shared.store.accounts import AccountTable, Credentials, Session
from shared.store.accounts_vault import Vault, new_key

pytestmark = pytest.mark.integration

NOW_US = 1_795_500_000_000_000
OLD, NEW = new_key(), new_key()
GIVEN = Credentials(Secret("the-api-key"), Secret("the-api-secret"))
SECRETS = ("the-api-key", "the-api-secret", "the-token")


def session(token: str = "the-token", issued_us: int = NOW_US) -> Session:
    return Session(GIVEN.api_key, Secret(token), issued_us, issued_us + 1)


@pytest.fixture
def table(pool) -> AccountTable:
    return AccountTable(pool, Vault([OLD]))


async def dump(pool) -> str:
    async with pool.connection() as connection:
        rows = await connection.fetch("SELECT accounts::text AS line FROM accounts")
        sealed = await connection.fetch("SELECT api_key, api_secret, access_token FROM accounts")
    return f"{rows} {[bytes(value or b'') for row in sealed for value in row.values()]}"


async def test_what_is_put_is_found_and_nothing_of_it_is_readable_at_rest(pool, table) -> None:
    assert await table.put_credentials("AB1234", GIVEN, at_us=NOW_US)
    assert await table.put_session("AB1234", session()) == 1
    found = await table.find("AB1234")
    assert (found.credentials, found.session, found.problem) == (GIVEN, session(), "")
    assert [row.account for row in await table.all()] == ["AB1234"]
    at_rest = await dump(pool)
    assert not [word for word in SECRETS if word in at_rest]
    assert not [word for word in SECRETS if word in repr(found)]


async def test_credentials_are_replaced_without_touching_session_or_switch(table) -> None:
    await table.put_credentials("AB1234", GIVEN, at_us=NOW_US)
    await table.put_session("AB1234", session())
    assert await table.set_enabled("AB1234", is_enabled=False, at_us=NOW_US)
    again = Credentials(Secret("other"), Secret("other-secret"))
    assert not await table.put_credentials("AB1234", again, at_us=NOW_US + 1)
    found = await table.find("AB1234")
    assert (found.credentials, found.session, found.is_enabled) == (again, session(), False)


async def test_session_needs_no_credentials_in_the_table(table) -> None:
    assert await table.put_session("AB1234", session()) == 1
    found = await table.find("AB1234")
    assert (found.credentials, found.session) == (None, session())


async def test_later_login_wins_whatever_the_order(table) -> None:
    assert await table.put_session("AB1234", session("later", NOW_US + 5)) == 1
    assert await table.put_session("AB1234", session("earlier", NOW_US)) is None
    assert (await table.find("AB1234")).session.access_token.reveal() == "later"
    assert await table.put_session("AB1234", session("latest", NOW_US + 5)) == 2


async def test_logout_ends_the_session_it_saw_and_no_later_one(table) -> None:
    await table.put_session("AB1234", session("one", NOW_US))
    await table.put_session("AB1234", session("two", NOW_US + 1))
    assert await table.end_session("AB1234", version=1) is None
    assert await table.end_session("AB1234", version=2) == 3
    assert (await table.find("AB1234")).session is None
    assert await table.end_session("NOBODY", version=0) is None


async def test_proof_belongs_to_one_session_and_never_goes_back(table) -> None:
    await table.put_session("AB1234", session("one", NOW_US))
    await table.mark_verified("AB1234", version=1, at_us=NOW_US + 7)
    await table.mark_verified("AB1234", version=1, at_us=NOW_US + 3)
    assert (await table.find("AB1234")).last_verified_us == NOW_US + 7
    await table.put_session("AB1234", session("two", NOW_US + 9))
    await table.mark_verified("AB1234", version=1, at_us=NOW_US + 10)
    assert (await table.find("AB1234")).last_verified_us is None
    await table.mark_verified("AB1234", version=2, at_us=NOW_US + 10)
    assert (await table.find("AB1234")).last_verified_us == NOW_US + 10


async def test_switch_of_an_unknown_account_is_told(table) -> None:
    assert not await table.set_enabled("NOBODY", is_enabled=True, at_us=NOW_US)


async def test_rotation_moves_every_value_under_the_new_key(pool, table) -> None:
    await table.put_credentials("AB1234", GIVEN, at_us=NOW_US)
    await table.put_session("AB1234", session())
    await table.put_session("CD5678", session())
    assert await AccountTable(pool, Vault([NEW, OLD])).reseal(at_us=NOW_US) == 4
    found = await AccountTable(pool, Vault([NEW])).all()
    assert [row.problem for row in found] == ["", ""]
    assert found[0].credentials == GIVEN
    assert found[0].session_version == 1
    assert "no key" in (await table.find("AB1234")).problem


async def test_rotation_that_cannot_open_one_value_changes_none(pool, table) -> None:
    await table.put_credentials("AB1234", GIVEN, at_us=NOW_US)
    await AccountTable(pool, Vault([NEW])).put_credentials("CD5678", GIVEN, at_us=NOW_US)
    third = new_key()
    with pytest.raises(SettingsError, match="account CD5678: api_key stays as it is"):
        await AccountTable(pool, Vault([third, OLD])).reseal(at_us=NOW_US)
    assert (await table.find("AB1234")).credentials == GIVEN


async def test_damaged_row_costs_itself_only(pool, table) -> None:
    for account in ("AB1234", "CD5678"):
        await table.put_credentials(account, GIVEN, at_us=NOW_US)
        await table.put_session(account, session())
    async with pool.connection() as connection:
        await connection.execute("UPDATE accounts SET api_key = 'x' WHERE account = 'AB1234'")
    damaged, whole = await table.all()
    assert damaged.credentials is None
    assert damaged.session == session()
    assert damaged.problem.startswith("api_key or api_secret: no key")
    assert (whole.credentials, whole.problem) == (GIVEN, "")


async def test_credentials_moved_between_rows_do_not_open(pool, table) -> None:
    await table.put_credentials("AB1234", GIVEN, at_us=NOW_US)
    other = Credentials(Secret("evil"), Secret("evil-secret"))
    await table.put_credentials("CD5678", other, at_us=NOW_US)
    async with pool.connection() as connection:
        await connection.execute(
            "UPDATE accounts SET (api_key, api_secret) = (SELECT api_key, api_secret FROM accounts "
            "WHERE account = 'CD5678') WHERE account = 'AB1234'"
        )
    found = await table.find("AB1234")
    assert found.credentials is None
    assert "another account or column" in found.problem


async def test_table_without_a_key_tells_and_refuses(pool, table) -> None:
    await table.put_credentials("AB1234", GIVEN, at_us=NOW_US)
    bare = AccountTable(pool, Vault([]))
    assert "encryption_keys is not set" in (await bare.find("AB1234")).problem
    with pytest.raises(SettingsError, match="encryption_keys is not set"):
        await bare.put_credentials("AB1234", GIVEN, at_us=NOW_US)
    assert await bare.set_enabled("AB1234", is_enabled=False, at_us=NOW_US)


@pytest.mark.parametrize("account", ["ab1234", "A", "A" * 17, "AB'; DROP TABLE accounts; --"])
async def test_server_refuses_what_is_no_account(table, account: str) -> None:
    with pytest.raises(StoreError) as caught:
        await table.put_credentials(account, GIVEN, at_us=NOW_US)
    assert not [word for word in SECRETS if word in str(caught.value)]
