"""How models come about."""
