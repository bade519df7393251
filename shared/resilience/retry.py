"""How long to wait before trying again."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct


class RetryPolicy(Struct, frozen=True, forbid_unknown_fields=True):
    """Exponential back-off with a ceiling, an end, a share of chance.

    The wait after attempt n (counted from 1) is drawn from
    `[(1 - jitter), 1] * min(ceiling_s, base_s * factor ** (n - 1))`.
    """

    base_s: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds before the second attempt.")
    ] = 0.1
    factor: Annotated[float, Meta(ge=1, le=10, description="Growth from wait to wait.")] = 2.0
    ceiling_s: Annotated[float, Meta(gt=0, le=3600, description="Longest wait in seconds.")] = 10.0
    jitter: Annotated[
        float, Meta(ge=0, le=1, description="Share of each wait that chance decides, 0 to 1.")
    ] = 0.5
    attempts_max: (
        Annotated[
            int, Meta(ge=1, description="Attempts in all, the first included; empty is no limit.")
        ]
        | None
    ) = None
    deadline_s: (
        Annotated[
            float, Meta(gt=0, description="Seconds after which no attempt begins; empty is none.")
        ]
        | None
    ) = None

    def delay_s(self, attempt: int, chance: float) -> float:
        """Return the seconds to wait after the failed `attempt`; `chance` is from [0, 1]."""
        assert attempt >= 1, "attempts are counted from 1"
        assert 0.0 <= chance <= 1.0, "chance is a share"
        return self._longest_s(attempt) * (1.0 - self.jitter * chance)

    def next_delay_s(self, attempt: int, elapsed_s: float, chance: float) -> float | None:
        """Return the seconds to wait after the failed `attempt`, or None to give up.

        `elapsed_s` counts from the first attempt: one that would begin at or past the deadline
        is not made.
        """
        if self.attempts_max is not None and attempt >= self.attempts_max:
            return None
        delay_s = self.delay_s(attempt, chance)
        if self.deadline_s is not None and elapsed_s + delay_s >= self.deadline_s:
            return None
        return delay_s

    def _longest_s(self, attempt: int) -> float:
        try:
            return min(self.ceiling_s, self.base_s * self.factor ** (attempt - 1))
        except OverflowError:  # a worker that has been trying for days
            return self.ceiling_s
