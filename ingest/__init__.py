"""Kite WebSockets in, raw ticks out."""
