"""Reads on behalf of others."""
