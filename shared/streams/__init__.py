"""The only room that knows the logs: Redis Streams."""
