"""The door of Kite's own dialect."""
