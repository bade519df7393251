"""The only room that knows Postgres."""
