"""What is said: messages, requests, modes, why a connection ends."""
