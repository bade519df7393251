"""Order commands in, order events out."""
