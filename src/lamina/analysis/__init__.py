"""One pass over the audio, many questions.

config       what is measured
front        `lamina.analyze`: names or objects in, an `Analysis` out
naming       what names of targets say
targets      what taps are held against: one file a kind
instruments  what is measured: one file an instrument; says how one is written
rows         which rows of a batch answer which question
reading      what a tap accumulates: instruments
source       states of a size that arithmetic holds, and whether they are finite
plan         `Sweep`: all that is decided before the audio is read
sweep        the pass, on one process or many, whole or in parts
sums         what has accumulated, merged and kept
alone        the context control: segments cut out and encoded alone
products     moments of wide batches, quickly
forecast     what an analysis will take
timing       how long costly steps take here
results      findings to rows with intervals
compare      differences between rows
protocol     what a protocol of analyses is
rules        the protocol `lamina`
published    the protocols of published code: a folder each
controls     untrained twins and positions, which an encoder is held against
discover     what a package's files define
"""
