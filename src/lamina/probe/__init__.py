"""Frozen encoder, small head: the SUPERB tasks and classes of segments.

probe     `probe`: plan, read, train, score
config    how an encoder is probed
task      what a task is; `find_task`
tasks     one file a task
recipes   heads and labels that tasks share
data      examples of each part, and what is left out
layers    which taps, and how several rates meet on one grid
store     states, computed once
heads     small modules
bank      many heads trained side by side
search    one search: train side by side, choose on dev, score test
rows      scores of what was found
train     the training loop
ctc       sequences
lexicon   phones of words
classes   classes of utterances and segments
verify    speaker verification
diarize   who speaks when
tally     counts that can be resampled
metrics   error rates
superb    the SUPERB score
"""
