"""The page of a study or of one encoder, its pictures, and tables on the terminal: made of rows, without torch.

page        `write_report`
overview    what the page shows: comparisons, effects, costs, whole encoders; a look a model
comparison  curves under one set of rules
effects     effects in words
trained     training runs, as the page is told of them
verdicts    verdicts of claims, and the file that holds them
pictures    a file a kind of picture
chart       what a drawing is: values, words, data
traces      what drawings are made of; how plotly is told of them
strips      an encoder's blocks beside its curve
design      the section on the encoders
diagram     an encoder's blocks, rates and losses, drawn from its config
panel       a chart as HTML
figures     a drawing as SVG, PDF or PNG
answer      the answer in sentences
cards       verdicts as cards
tables      who reached what: best layers, heads, whole encoders, costs
methods     the methods section, notes and provenance
style       colours, dashes, shapes
wording     numbers, places and lists as text
console     tables on the terminal
costs       costs of encoders on the terminal and as a picture
"""
