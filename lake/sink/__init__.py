"""The connectors that feed the tables, and who looks after them."""
