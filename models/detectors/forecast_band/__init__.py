"""The band detector: intervals against their forecast, runs of deviations as episodes."""
