"""Writes the holidays a maintained library knows as a sheet of the trading calendar."""
