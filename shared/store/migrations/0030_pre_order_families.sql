-- Commands that come of commands, orders that come of one placement.

ALTER TABLE order_commands
    -- The basket, exit or cancel that this command was made for.
    ADD COLUMN parent_command_id text,
    -- Slices of a placement that the broker refused; null while nobody knows.
    ADD COLUMN slices_refused integer;
CREATE INDEX order_commands_of_parent ON order_commands (account, parent_command_id)
    WHERE parent_command_id IS NOT NULL;
CREATE INDEX broker_orders_of_command ON broker_orders (account, command_id)
    WHERE command_id IS NOT NULL;
