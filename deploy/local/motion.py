"""Which figure stands still, since a picture that froze looks like one that works."""

from __future__ import annotations

_NS = 1e9


class Motion:
    """Remembers when each figure last changed."""

    def __init__(self) -> None:
        self._last: dict[str, object] = {}
        self._since_ns: dict[str, int] = {}
        self._longest_ns: dict[str, int] = {}

    def see(self, name: str, value: object, now_ns: int) -> None:
        """Take note of what a figure shows."""
        if name not in self._last or self._last[name] != value:
            self._last[name] = value
            self._since_ns[name] = now_ns
        still_ns = now_ns - self._since_ns[name]
        self._longest_ns[name] = max(self._longest_ns.get(name, 0), still_ns)

    def stood_still(self, limit_s: float) -> list[str]:
        """Return a sentence for each figure that showed the same for longer than `limit_s`."""
        return [
            f"{name} showed the same for {longest_ns / _NS:.0f} s while ticks flowed"
            for name, longest_ns in self._longest_ns.items()
            if longest_ns > limit_s * _NS
        ]
