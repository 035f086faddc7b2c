"""Encoders that say what each layer is and how fast it ticks."""
