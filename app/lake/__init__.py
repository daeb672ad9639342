"""The lake, put together: what is fed, watched, checked, compacted, judged again."""
