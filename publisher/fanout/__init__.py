"""What everybody wants and is owed: columns in, frames out; no socket, no clock."""
