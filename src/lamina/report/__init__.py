"""Reads scores and verdicts, nothing else (no torch): the page, its pictures, its tables.

page      `write_report`
view      from rows to pictures: what is a curve, a baseline, an effect
chart     what a drawing is: values, words, data
curves    what each layer knows
peaks     which level of language peaks where
forest    what each factor changes
depths    where in the network it changes it
tradeoff  quality against cost
learning  training runs and their logs
diagram   an encoder's blocks, rates and losses, drawn from its config
design    the section that shows them
panel     a chart as HTML
figures   a drawing as SVG and PDF
cards     verdicts as cards
verdicts  the file that holds them
words     the answer in sentences
tables    best layers, costs, whole encoders
methods   the methods section and provenance
style     colours, dashes, names
console   tables on the terminal
costs     what encoders cost: tables and a picture
"""
