"""Multiply-accumulates, throughput, memory: what each layer costs."""
