"""The plot: a merchant's intervals, forecasts and alarms as a picture."""
