"""The only room that knows Zerodha."""
