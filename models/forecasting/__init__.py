"""Forecasts of volumes: seasonal baseline, effects of the calendar, calibrated band."""
