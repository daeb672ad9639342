"""Event-time windows of very many entities: their clock, their table, what is counted in them."""
