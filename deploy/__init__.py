"""How it is run: the embedded development stack. No product logic."""
