"""Masked unit prediction at one or several rates.

recipe   the config of a run
units    cluster the states of a layer, label a corpus
labels   codebooks and units on disk
masking  which frames are masked
plan     which crops or utterances make the batch of a step
data     their audio, with the units of every level
weights  seeded weights, checkpoints
workers  processes that share a batch, signals, reading ahead
memory   memory freed is kept for the next step
update   one update of the weights
meter    figures and alarms
journal  the log
loop     the training loop
"""
