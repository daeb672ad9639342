"""Merchants' past payments, month by month: files, Athena, a cache of totals."""
