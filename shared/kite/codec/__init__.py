"""Kite's binary frames as compiled loops over bytes."""
