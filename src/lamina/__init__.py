"""Lamina: what each layer of a speech encoder knows, at the rate that layer runs, and what that layer costs."""
