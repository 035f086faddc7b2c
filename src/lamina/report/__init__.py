"""Reads scores, nothing else (no torch): tables, plots, the page."""
