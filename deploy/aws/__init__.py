"""Retraining on AWS: the function that starts a run, and what verifies the account."""
