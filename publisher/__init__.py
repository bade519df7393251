"""Records and order events out to subscribers."""
