"""The compiled parts of the windowed DBSCAN: the grid, what is counted in it, the judging."""
