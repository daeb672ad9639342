"""Payments: a merchant's volume in two-hour intervals against a forecast band."""
