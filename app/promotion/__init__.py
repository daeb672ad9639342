"""From a registered version to the champion: compare, pass the gate, move the alias."""
