"""Masked unit prediction at one or several rates."""
