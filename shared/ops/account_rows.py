"""Accounts as text."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from shared.accounts.live import AccountStatus
    from shared.ops.printing import Printer

_IST: Final = timedelta(hours=5, minutes=30)
_HEADINGS: Final = ("account", "use", "token", "issued", "expires", "last verified", "from", "")


def show(printer: Printer, found: Sequence[AccountStatus]) -> None:
    """Print accounts with the state of their sessions; none of it opens anything."""
    from msgspec import to_builtins

    from shared.ops.tables import table

    if printer.as_json:
        printer.value([to_builtins(each) for each in found])
    elif found:
        printer.show(table(_HEADINGS, map(_cells, found)))
    else:
        printer.note("no account: tickflow accounts add ACCOUNT")


def moment(at_us: int | None) -> str:
    """Return a moment in India as text, a dash where there is none."""
    if at_us is None:
        return "-"
    return f"{datetime.fromtimestamp(at_us // 1_000_000, tz=UTC) + _IST:%Y-%m-%d %H:%M:%S} IST"


def _cells(found: AccountStatus) -> list[str]:
    sources = list(dict.fromkeys(filter(None, (found.credentials_from, found.session_from))))
    return [
        found.account,
        "enabled" if found.is_enabled else "disabled",
        found.token.value,
        moment(found.issued_us),
        moment(found.expires_us),
        moment(found.last_verified_us),
        ", ".join(sources),
        "; ".join(filter(None, (found.trouble, *found.problems))),
    ]
