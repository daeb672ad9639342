"""What a person asks of a running installation: is it well, and why was this event flagged."""
