"""Where past and made-up events come from: files, queries, simulation."""
