"""Load for the whole pipeline: a Kite feed in an open loop, a consumer that checks every record."""
