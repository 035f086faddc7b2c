"""Masked unit prediction at one or several rates.

recipe   the config of a run
units    cluster the states of a layer, label a corpus
labels   codebooks and units on disk
masking  which frames are masked
data     crops with the units of every level
weights  seeded weights, checkpoints
loop     the training loop
"""
