"""Reads scores, nothing else (no torch): tables, plots, the page.

page     `write_report`
view     from rows to pictures: what is a curve, a baseline, an effect
words    the answer in sentences
tables   effects, best layers, costs
plots    interactive pictures
figures  PNG, SVG and PDF
style    colours, dashes, names
console  tables on the terminal
"""
