"""Frozen encoder, small head."""
