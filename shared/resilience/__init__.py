"""The arithmetic of patience."""
