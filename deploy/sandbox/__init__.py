"""A stand-in for Zerodha."""
