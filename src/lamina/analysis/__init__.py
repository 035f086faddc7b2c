"""One pass over the audio, many questions.

config     what is measured, by which rules
front      `lamina.analyze`: names or objects in, an `Analysis` out
sweep      the pass, on one process or many, whole or in parts
state      `Sweep`: what is planned, and what has accumulated
questions  from settings to targets, and to readings of every tap
targets    segments and labels on the common support
sentences  whole utterances held against each other
vectors    files of word vectors and scored pairs
gather     what rows a batch gives
readings   what a tap accumulates
linear     CCA, CKA, dimensions
products   moments of wide batches, quickly
discrete   codebooks, mutual information
sums       what has accumulated, merged and kept
measures   statistics to values
pasad      the protocol of the public scripts: its rules
published  that protocol in the pass
forecast   what an analysis will take
results    values to rows with intervals
compare    differences between rows
"""
