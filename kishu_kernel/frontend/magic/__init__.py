"""`%kishu`: the operations of the protocol as a line magic. `subcommands` lists them."""
