"""What is read from the streams, handed to the hub."""
