-- Commands are leafed through newest first by whoever reads the journal from outside.

CREATE INDEX order_commands_by_serial ON order_commands (account, serial);
