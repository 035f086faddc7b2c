"""One pass over the audio, many questions.

config    what is measured, by which rules
sweep     `analyze`: the pass
gather    who is fitted on, what rows a batch gives
targets   segments and labels on the common support
pooling   frames to segments and cells, by centres
readings  what a tap accumulates: CCA, codebooks
measures  statistics to values
"""
