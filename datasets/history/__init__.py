"""What happened before, from files: records as they would stand on a topic, row by row."""
