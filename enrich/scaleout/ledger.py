"""Which messages of a partition are delivered: what may be committed, what is a repetition."""

from __future__ import annotations

from shared.errors import PipelineError


class OffsetsSkipped(PipelineError):
    """Messages were left out on their way to us; going on would lose them, so the worker ends."""


class Ledger:
    """The place of one partition's owner in its log.

    Faust's own book of acknowledgements is not trusted with it: it counts messages as done that it
    skipped during a rebalance, and the whole of a gap before what lies behind it is worked on.
    """

    def __init__(self, partition: int, begin: int) -> None:
        """`begin` is the offset of the first message to be delivered."""
        self.partition = partition
        #: The next message to be worked on.
        self.next = begin
        #: All messages before this one are delivered; what is committed.
        self.delivered = begin

    def admit(self, offset: int) -> bool:
        """Take a message in; False says that it was taken before and is to be left out.

        Raises:
            OffsetsSkipped: messages before it never came.
        """
        if offset < self.next:
            return False
        if offset > self.next:
            raise OffsetsSkipped(
                f"partition {self.partition}: message {offset} came, {self.next} was next"
            )
        self.next = offset + 1
        return True

    def deliver(self, offset: int) -> None:
        """Note that the output of every message before `offset` is acknowledged."""
        self.delivered = max(self.delivered, min(offset, self.next))

    def continues_at(self, offset: int) -> bool:
        """Say whether a new assignment that begins at `offset` goes on where we stand.

        Then nobody else has worked on the partition meanwhile, and what we know of it still holds.
        """
        return offset <= self.next
