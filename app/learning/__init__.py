"""The online learner as a process of its own."""
