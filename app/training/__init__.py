"""From rows to a registered version."""
