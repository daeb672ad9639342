"""Rides: each is judged against the last ones of its partition."""
