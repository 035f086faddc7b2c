"""Frozen encoder, small head.

probe    linear probes of pooled segments on unseen speakers
pooling  pooled segments in memory
linear   logistic regression
"""
