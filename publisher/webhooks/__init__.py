"""Order events told to receivers over HTTPS."""
