"""What an encoder costs: multiply-accumulates, throughput, memory.

cost      `measure_cost`
macs      counted by two conventions
training  bytes kept for a backward pass, and at their peak
"""
