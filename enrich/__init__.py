"""Raw ticks in, Greeks out."""
