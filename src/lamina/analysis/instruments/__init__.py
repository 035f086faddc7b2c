"""What is measured: one file an instrument, found by its being here.

instrument  what every instrument is, and what it finds
canonical   CCA, SVCCA, PWCCA: directions learned on some speakers, correlations of others
principal   CCA after principal components, for taps that are wide for few rows
kernels     CKA and dimensions in use; nothing is fitted
codebook    k-means clusters: mutual information with labels, purity
likeness    pairs of utterances: same sentence or not, or how alike people find them
nearest     segments named by k neighbours, or by the nearest mean of a class
abx         is X nearer to A, of its class, than to B?
discrimination  do tokens of one word rank first?
rsa         do classes lie to each other as other speakers' do?
procrustes  how well one tap turns into another
beyond      what is known beyond a given view
reach       how far before and after a frame its labels are known
boundaries  how well changes of states mark boundaries
units       clusters of frames as units: what they tell of phones, and at how many bits
spotting    is a spoken query in a spoken document?

How an instrument is written
----------------------------
A new measure is a row of `lamina.measures.TABLE` and a file here with one class, an `Instrument`:

- ``families``: the families of measures that it makes. It is asked where one of them is, or where the target
  is made for it (``Target.implied``).
- ``takes``: the kinds of targets (`lamina.analysis.targets`) that it can be asked of. The target has chosen and
  numbered its rows before the pass: ``target.fit`` and ``target.score`` (`Segments`), ``target.roles``,
  ``target.labels``, … . Where rows are the frames of segments, one by one, ``target.poolings`` is ``each``.
- ``follows = True``: its rows and sums may be on a GPU, where the states are (new tensors go where ``x`` is, and
  nothing is read off them before ``settle``: the GPU would be waited for). By default rows come to the CPU.
- ``title``: how notes call it (``no CCA: 12 rows are too few …``).

It is made once for each tap, target and way of reading (``Instrument(tap, way, target, config)``), and lives so:

1. ``learn(x, rows)``: a batch of rows x (n, width), float32, of the utterances that are fitted on.
2. ``settle()``: all of them have come; fix what is learned, and take the sums of 1 out of ``self.sums``: they are
   complete, and what stays there is merged once more after 3.
3. ``score(x, rows)``: a batch of rows of the utterances that are scored.
4. ``values(draw)``: all have come; what was found, a `Finding` a labelling. ``draw(names)`` gives weights
   (replicates, names) of groups in resamples: the same for every tap and encoder, so that differences are paired.
   Rows of halves of the groups follow: one half chooses the layer that the other scores.

Where a corpus has splits, 1 is of its train part and 3 of its test part. Where folds of speakers score each other
(``target.roles.folded``), every batch comes to 1 and then 3, and 2 follows the last one. What fits nothing does 3
and 4 only, on everybody who is scored (`lamina.corpus.splits.unfitted` says by whom that is where there are no
splits; the target does that, with groups of speakers in ``target.roles.groups``).

``self.sums`` is all that an instrument remembers of rows: a dictionary of `lamina.stats.archive.Statistic`, which
merge by ``+``. It is kept on disk, sent between processes and merged, so nothing else may depend on the rows. What
must be remembered row by row is a `Sample`: numbered slots, each filled once. Slots are known before the pass,
from the rows' numbers (``rows.numbers``: a segment's number in ``target.fit`` or ``target.score``; with ``each`` a
frame's, ``target.pieces`` says where each segment's begin), so that any sharing of the work fills the same ones.
Make sums as large as they will be in ``__init__``: `--plan` tells their memory, and too much of it is refused.
`Sampled` is an instrument that keeps every scored row so; `SpeakerParts` keeps sums of many speakers in few parts.

``LaminaError`` in 2 or 4 leaves the instrument out, and a note says why. ``self.notes`` takes other notes.

Rows carry: ``rows.side`` (what they are held against: labels (labellings, n), vectors (n, size), or none),
``rows.keys`` (n,) (the part, fold or group of each), ``rows.numbers`` (n,).
"""

from __future__ import annotations

from lamina.analysis.discover import classes
from lamina.analysis.instruments.instrument import Instrument
from lamina.measures import TABLE

_ORDER = {each.family: place for place, each in reversed(tuple(enumerate(TABLE)))}
INSTRUMENTS = tuple(
    sorted(
        classes(__name__, Instrument),  # type: ignore[type-abstract]  # what is found is none
        key=lambda each: _ORDER[each.families[0]],
    )
)
