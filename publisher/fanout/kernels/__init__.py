"""Compiled loops of the fan-out: bytes and integers only, no numbers are worked out here."""
