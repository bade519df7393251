"""Who a connection is, as everything that serves it has to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from publisher.access.auth import Principal
from publisher.fanout.hub import Hub
from publisher.protocol.messages import Refusal

if TYPE_CHECKING:
    from publisher.session.desk import Desk


@dataclass(frozen=True, slots=True)
class Seat:
    """A principal, its number in the hub, the desk at which it sits."""

    desk: Desk
    principal: Principal
    subscriber: int

    @property
    def hub(self) -> Hub:
        """Return where ticks and messages are handed out."""
        return self.desk.hub

    def say(self, reply: Any) -> None:
        """Queue a reply."""
        self.hub.say(self.subscriber, reply)

    def may_read_ticks(self, what: str, refused: list[Refusal]) -> bool:
        """Tell whether ticks, and what is made of them, may be read; else refuse `what`."""
        if not self.principal.may_read_ticks:
            refused.append(Refusal(what, "forbidden"))
        return self.principal.may_read_ticks
