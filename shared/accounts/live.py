"""One account as it is now, its token swapped while others hold it."""

from __future__ import annotations

from dataclasses import dataclass

from shared.accounts import metrics
from shared.accounts.changes import Changes
from shared.accounts.resolving import Resolved
from shared.accounts.token_state import TokenState, token_state, token_trouble
from shared.errors import KiteSessionExpired
from shared.secret import Secret

_NS_PER_US = 1_000
#: A session that goes on being accepted is written down at most so often.
VERIFIED_GAP_US = 60_000_000


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """What may be told of an account: nothing in it opens anything. Times in microseconds."""

    account: str
    is_enabled: bool
    token: TokenState
    trouble: str
    issued_us: int | None
    expires_us: int | None
    last_verified_us: int | None
    credentials_from: str
    session_from: str
    problems: tuple[str, ...]


class LiveAccount:
    """Ask it for the token at every use; never keep what it answered."""

    def __init__(self, resolved: Resolved) -> None:
        self._resolved = resolved
        self._changes = Changes()
        self._refused: Secret | None = None
        self._accepted_us: int | None = None

    @property
    def id(self) -> str:
        """Return the client id, as in stream names."""
        return self._resolved.account

    @property
    def is_enabled(self) -> bool:
        """Tell whether the account is to be used at all."""
        return self._resolved.is_enabled

    @property
    def generation(self) -> int:
        """Return how often it changed, to be handed to `wait_changed`."""
        return self._changes.count

    @property
    def resolved(self) -> Resolved:
        """Return everything known, secrets included."""
        return self._resolved

    def api_key(self) -> Secret:
        """Return the api_key, empty where there is none."""
        found = self._resolved.credentials
        return Secret("") if found is None else found.api_key

    def api_secret(self) -> Secret:
        """Return the api_secret, empty where there is none."""
        found = self._resolved.credentials
        return Secret("") if found is None else found.api_secret

    def token(self) -> Secret:
        """Return the newest access token, empty where there is none; it may be dead already."""
        found = self._resolved.session
        return Secret("") if found is None else found.access_token

    async def wait_changed(self, after: int | None = None) -> int:
        """Return the generation once it is above `after`; None waits for the next change."""
        return await self._changes.wait(after)

    def note_refused(self, error: KiteSessionExpired | None = None) -> None:
        """Remember that the broker refused the token: it counts as dead until there is another."""
        del error  # what it says is the caller's to log
        self._refused = self.token()

    def note_accepted(self, at_ns: int) -> None:
        """Remember that the broker has just accepted the token."""
        self._refused = None
        self._accepted_us = at_ns // _NS_PER_US

    def news_us(self) -> int | None:
        """Return when the broker last accepted the token, if its source should hear of it."""
        known_us = self._resolved.last_verified_us
        news_us = self._accepted_us
        if news_us is None or (known_us is not None and news_us < known_us + VERIFIED_GAP_US):
            return None
        return news_us

    def status(self, now_ns: int) -> AccountStatus:
        """Return how it stands."""
        found, now_us = self._resolved, now_ns // _NS_PER_US
        session = found.session
        state = self.state(now_ns)
        verified = [each for each in (found.last_verified_us, self._accepted_us) if each]
        return AccountStatus(
            account=found.account,
            is_enabled=found.is_enabled,
            token=state,
            trouble=token_trouble(state, now_us) if found.is_enabled else "",
            issued_us=session.issued_us if session else None,
            expires_us=session.expires_us if session else None,
            last_verified_us=max(verified, default=None),
            credentials_from=found.credentials_from,
            session_from=found.session_from,
            problems=found.problems,
        )

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what sources could not give of it, and why."""
        return self._resolved.problems

    def state(self, now_ns: int) -> TokenState:
        """Return the state of the token; one that the broker refused has expired."""
        session = self._resolved.session
        if session is None:
            return TokenState.MISSING
        if self._refused is not None and self._refused == session.access_token:
            return TokenState.EXPIRED
        return token_state(session.issued_us, session.expires_us, now_ns // _NS_PER_US)

    def take(self, resolved: Resolved) -> bool:
        """Replace what is known; return whether anything that matters to a holder changed."""
        before, self._resolved = self._resolved, resolved
        if _weight(before) == _weight(resolved):
            return False
        if before.session != resolved.session:
            self._accepted_us = None
        metrics.SWAPS.labels(account=resolved.account).inc()
        self._changes.tell()
        return True

    def observe(self, now_ns: int) -> None:
        """Set the metrics of this account."""
        status = self.status(now_ns)
        metrics.observe(
            status.account,
            status.token,
            is_missing=bool(status.trouble),
            expires_us=status.expires_us or 0,
        )

    def __repr__(self) -> str:
        return f"LiveAccount({self.id})"


def _weight(found: Resolved) -> tuple[object, ...]:
    return found.is_enabled, found.credentials, found.session
