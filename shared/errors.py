"""Every error this project raises, named for the decision it forces.

PipelineError
├── SettingsError            missing, malformed or unknown; exit 2
├── WireError                bytes that are not what they claim; dead letter, never retry
│   ├── FrameError           a Kite frame
│   └── MessageError         one of our entries
├── KiteError
│   ├── KiteRejected         a definite no; record it, never retry
│   ├── KiteSessionExpired   the day's token is dead; become unready, page a human
│   ├── KiteThrottled        429; carries retry_after_s
│   ├── KiteUnavailable      certainly not executed (refused, breaker open); safe to retry
│   └── KiteOutcomeUnknown   perhaps executed; reconcile
├── StreamError              a log refused or vanished; retry with back-off, unready meanwhile
│   └── EntryTooLarge        one entry the log will never take; split it or dead letter, no retry
├── StoreError               Postgres likewise
├── LeaseLost                another owner holds it now; stop writing at once
├── LocalError               the machine cannot run the pipeline; say what to do, exit 1
└── IllegalTransition        a bug: the lifecycle table has no such move; crash
"""

from __future__ import annotations


class PipelineError(Exception):
    """The root of the tree; caught only where any of our failures means the same thing."""


class SettingsError(PipelineError):
    """A setting is missing, malformed or unknown."""


class WireError(PipelineError):
    """Bytes are not what they claim to be."""


class FrameError(WireError):
    """A Kite frame is damaged; `reason` is one of a closed set, `offset` is in bytes."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"Kite frame: {reason} at byte {offset}")
        self.reason = reason
        self.offset = offset


class MessageError(WireError):
    """A stream entry does not decode as its topic's message."""


class KiteError(PipelineError):
    """Zerodha answered something other than success, or nothing."""


class KiteRejected(KiteError):
    """Zerodha refused for certain; nothing happened."""

    def __init__(self, message: str, *, error_type: str = "", status: int = 0) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.status = status


class KiteSessionExpired(KiteRejected):
    """The access token is dead; nothing happened and nothing will until a new login."""


class KiteThrottled(KiteError):
    """Zerodha's rate limit refused the call; nothing happened."""

    def __init__(self, message: str, *, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class KiteUnavailable(KiteError):
    """The call certainly did not reach Zerodha, or was a read; safe to retry."""


class KiteOutcomeUnknown(KiteError):
    """A write may or may not have happened; look, never resend. `status` is 0 without an answer."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class StreamError(PipelineError):
    """Redis or Kafka refused something or could not be reached."""


class EntryTooLarge(StreamError):
    """An entry has more bytes than the log takes; sending it again changes nothing."""


class StoreError(PipelineError):
    """PostgreSQL refused a statement or could not be reached."""


class LeaseLost(PipelineError):
    """Another owner holds the lease; whatever was held may no longer be written."""


class LocalError(PipelineError):
    """This machine cannot run the pipeline as asked; the message says what to do."""


class IllegalTransition(PipelineError):
    """The order life cycle has no such move."""
