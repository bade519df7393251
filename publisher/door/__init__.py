"""Connections of our own protocol: WebSocket and EventSource."""
