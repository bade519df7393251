"""Facts of the Indian market."""
