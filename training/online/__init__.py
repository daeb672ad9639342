"""Learning row by row from labels as they come, and noticing that the world has changed."""
