"""A file or a topic, judged again with the same code."""
