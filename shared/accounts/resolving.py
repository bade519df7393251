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


def resolve(sources: Sequence[tuple[str, Rows]]) -> dict[str, Resolved]:
    """Return every account that a source names; the first source goes before the later ones.

    Credentials are taken whole from the first source that has them; a missing api_secret may come
    from a later source with the same api_key. The session is taken from the first source that has
    one for that api_key. An account that any source disables is disabled.
    """
    names = sorted({name for _, rows in sources for name in rows})
    return {
        name: _resolved(name, [(source, rows[name]) for source, rows in sources if name in rows])
        for name in names
    }


def _resolved(name: str, rows: Sequence[tuple[str, AccountRow]]) -> Resolved:
    credentials_from, credentials = _credentials(rows)
    found = Resolved(
        account=name,
        is_enabled=all(row.is_enabled for _, row in rows),
        credentials=credentials,
        credentials_from=credentials_from,
        problems=tuple(f"{source}: {row.problem}" for source, row in rows if row.problem),
    )
    return found if credentials is None else _with_session(found, rows, credentials.api_key)


def _credentials(rows: Sequence[tuple[str, AccountRow]]) -> tuple[str, Credentials | None]:
    having = [(source, row.credentials) for source, row in rows if row.credentials is not None]
    if not having:
        return "", None
    source, first = having[0]
    secrets = [
        each.api_secret for _, each in having if each.api_secret and each.api_key == first.api_key
    ]
    return source, replace(first, api_secret=secrets[0] if secrets else Secret(""))


def _with_session(
    found: Resolved, rows: Sequence[tuple[str, AccountRow]], api_key: Secret
) -> Resolved:
    problems = list(found.problems)
    for source, row in rows:
        if row.session is None:
            continue
        if row.session.api_key == api_key:
            return replace(
                found,
                session=row.session,
                session_from=source,
                session_version=row.session_version,
                last_verified_us=row.last_verified_us,
                problems=tuple(problems),
            )
        problems.append(f"{source}: its session was issued for another api_key")
    return replace(found, problems=tuple(problems))
