"""Event-time windows of very many entities: their clock, what is counted in them."""
