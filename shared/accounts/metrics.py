"""What is measured of accounts, for whichever worker holds them."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

from shared.accounts.token_state import TokenState

#: 1 for the state an account's token is in, 0 for the others; account ids are a closed set.
TOKEN_STATE: Final = Gauge(
    "tickflow_accounts_token_state_info",
    "1 for the state of the account's token.",
    ["account", "state"],
)
TOKEN_NEEDED: Final = Gauge(
    "tickflow_accounts_token_missing_info",
    "1 from 08:30 IST on while an enabled account has no living token, else 0.",
    ["account"],
)
TOKEN_EXPIRES: Final = Gauge(
    "tickflow_accounts_token_expires_timestamp_seconds",
    "When the account's token dies, Unix time; 0 without a token.",
    ["account"],
)
SWAPS: Final = Counter(
    "tickflow_accounts_changes_total",
    "Credentials, tokens or switches of an account taken over while running.",
    ["account"],
)
REFRESH_FAILURES: Final = Counter(
    "tickflow_accounts_refresh_failures_total", "Sources that could not say.", ["source"]
)
MESSAGES_REFUSED: Final = Counter(
    "tickflow_accounts_messages_refused_total", "Entries of control.v1 that are not messages."
)


def observe(account: str, state: TokenState, *, is_missing: bool, expires_us: int) -> None:
    """Set what is known of one account's token."""
    for each in TokenState:
        TOKEN_STATE.labels(account=account, state=each.value).set(each is state)
    TOKEN_NEEDED.labels(account=account).set(is_missing)
    TOKEN_EXPIRES.labels(account=account).set(expires_us / 1e6)
