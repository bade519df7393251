"""Which of several sources decides what is known of an account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from shared.secret import Secret
from shared.store.accounts import AccountRow, Credentials, Session

Rows = Mapping[str, AccountRow]


@dataclass(frozen=True, slots=True)
class Resolved:
    """One account after every source was asked; `*_from` names the source that decided."""

    account: str
    is_enabled: bool = True
    credentials: Credentials | None = None
    credentials_from: str = ""
    session: Session | None = None
    session_from: str = ""
    session_version: int = 0
    last_verified_us: int | None = None
    problems: tuple[str, ...] = ()


def resolve(sources: Sequence[tuple[str, Rows]], *, now_us: int) -> dict[str, Resolved]:
    """Return every account that a source names; the first source goes before the later ones.

    Credentials are taken whole from the first source that has them; a missing api_secret may come
    from a later source with the same api_key. The session is taken from the first source that has
    one for that api_key that is not over yet, else from the first that has one at all. An account
    that any source disables is disabled.
    """
    names = sorted({name for _, rows in sources for name in rows})
    return {
        name: _resolved(
            name, [(source, rows[name]) for source, rows in sources if name in rows], now_us
        )
        for name in names
    }


def keep_unopened(fresh: Rows, before: Rows) -> dict[str, AccountRow]:
    """Return the fresh rows, each with what it could not open as it was known before.

    So a program that was not yet given a new encryption key holds on to what it has.
    """
    return {name: _kept(row, before.get(name)) for name, row in fresh.items()}


def _kept(fresh: AccountRow, before: AccountRow | None) -> AccountRow:
    if not fresh.problem or before is None:
        return fresh
    is_same_session = before.session_version == fresh.session_version
    return replace(
        fresh,
        credentials=fresh.credentials or before.credentials,
        session=fresh.session or (before.session if is_same_session else None),
    )


def _resolved(name: str, rows: Sequence[tuple[str, AccountRow]], now_us: int) -> Resolved:
    credentials_from, credentials = _credentials(rows)
    found = Resolved(
        account=name,
        is_enabled=all(row.is_enabled for _, row in rows),
        credentials=credentials,
        credentials_from=credentials_from,
        problems=tuple(f"{source}: {row.problem}" for source, row in rows if row.problem),
    )
    return found if credentials is None else _with_session(found, rows, now_us)


def _credentials(rows: Sequence[tuple[str, AccountRow]]) -> tuple[str, Credentials | None]:
    having = [(source, row.credentials) for source, row in rows if row.credentials is not None]
    if not having:
        return "", None
    source, first = having[0]
    secrets = [
        each.api_secret for _, each in having if each.api_secret and each.api_key == first.api_key
    ]
    return source, replace(first, api_secret=secrets[0] if secrets else Secret(""))


def _with_session(found: Resolved, rows: Sequence[tuple[str, AccountRow]], now_us: int) -> Resolved:
    assert found.credentials is not None, "a session is of an api_key"
    api_key = found.credentials.api_key
    having = [(source, row, row.session) for source, row in rows if row.session is not None]
    foreign = tuple(
        f"{source}: its session was issued for another api_key"
        for source, _, session in having
        if session.api_key != api_key
    )
    found = replace(found, problems=found.problems + foreign)
    fitting = [each for each in having if each[2].api_key == api_key]
    living = [each for each in fitting if now_us < each[2].expires_us]
    for source, row, session in (living or fitting)[:1]:
        return replace(
            found,
            session=session,
            session_from=source,
            session_version=row.session_version,
            last_verified_us=row.last_verified_us,
        )
    return found
