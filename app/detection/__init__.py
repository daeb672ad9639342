"""Which model judges: champion and challenger, and a policy that changes while running."""
