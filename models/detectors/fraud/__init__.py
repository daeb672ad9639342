"""Detectors of fraud: trees and linear models over a transaction's features, and their reasons."""
