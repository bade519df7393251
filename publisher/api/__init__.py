"""HTTP /v1."""
