"""The table of measures: what each is called, what it means, what it can be, and which way is better.

Everything that treats one measure otherwise than another asks here. A new measure is a row of `TABLE` and the
instrument that makes it (docs/architecture.md has the walk). Imports nothing of the house but errors.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from math import inf
from typing import Literal

from lamina.errors import LaminaError

EXPLAINS = 3  # the rank of what explains a probe and is no outcome
Better = Literal["higher", "lower", "neither"]
Of = Literal["layer", "encoder"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure.

    Attributes:
        name: the ``measure`` column of scores; stable, lower case.
        family: what is asked for together (``--measures cca``), made by one instrument.
        label: as people say it.
        meaning: what the number is, in a sentence without a full stop.
        unit: of the number; empty for ratios, correlations and counts.
        low, high: what the number can be; intervals end there.
        better: which way is better; ``neither`` where a number only describes.
        of: whether it is read at a layer (or a sum of layers), or is of a whole encoder.
        rank: 1 stands first in tables and sentences; 2 is another reading of one that does; 3 explains a probe.
        counted: whether it is counted exactly, so that chance has no part in it.
        usual: whether an analysis takes it where nobody says.
    """

    name: str
    family: str
    label: str
    meaning: str
    unit: str = ""
    low: float = -inf
    high: float = inf
    better: Better = "higher"
    of: Of = "layer"
    rank: int = 1
    counted: bool = False
    usual: bool = False

    def bounded(self, low: float | None, high: float | None) -> tuple[float | None, float | None]:
        """The ends of a value's interval, cut where the measure cannot be. Differences are not cut."""
        return None if low is None else max(low, self.low), None if high is None else min(high, self.high)


# Names that others than their instrument use.
MACS, MACS_ATTENTION, PARAMETERS, SPEED = "macs", "macs-attention", "parameters", "speed"
PEAK_MEMORY, TRAIN_SPEED, TRAIN_MEMORY = "peak-memory", "train-speed", "train-memory"
MASKED_ACCURACY, LAYER_WEIGHT, LAYER_NORM = "masked-accuracy", "layer-weight", "layer-norm"

TABLE: tuple[Measure, ...] = (
    Measure("cca-mean", "cca", "mean CCA", "mean held-out canonical correlation of states and target", low=-1,
            high=1, usual=True),
    Measure("cca-pwcca", "cca", "PWCCA", "the held-out canonical correlations, weighted by the states' neurons in "
            "training", low=-1, high=1, usual=True),
    Measure("cca-pwcca-y", "cca", "PWCCA, weighted by the target", "the held-out canonical correlations, weighted "
            "by the dimensions of the target", low=-1, high=1, rank=2),
    Measure("svcca-mean", "cca", "SVCCA", "mean held-out canonical correlation of the directions that hold 99 % "
            "of each side's variance", low=-1, high=1),
    Measure("cca-pca", "cca-pca", "CCA of principal components", "mean held-out canonical correlation of the "
            "states' leading principal components, one for every ten rows, and target", low=-1, high=1),
    Measure("cka", "cka", "CKA", "unbiased linear centred kernel alignment of states and target"),
    Measure("effective-rank", "rank", "effective rank", "how many directions the states fill: the exponential of "
            "the entropy of their spectrum", low=1, better="neither"),
    Measure("participation-ratio", "rank", "participation ratio", "how many directions the states fill: squared "
            "trace over trace of squares of their covariance", low=1, better="neither", rank=2),
    Measure("mi-normalised", "mi", "MI / entropy", "mutual information of clustered states and labels, as a share "
            "of the labels' entropy", low=0, high=1, usual=True),
    Measure("mi-bits", "mi", "MI in bits", "mutual information of clustered states and labels", unit="bits", low=0,
            rank=2, usual=True),
    Measure("mi-corrected", "mi", "corrected MI / entropy", "the same share of the entropy with the Miller-Madow "
            "correction for small samples", rank=2, usual=True),
    Measure("purity-label", "purity", "label purity", "share of items that carry their cluster's commonest label",
            low=0, high=1),
    Measure("purity-cluster", "purity", "cluster purity", "share of items that lie in their label's commonest "
            "cluster", low=0, high=1, rank=2),
    Measure("rsa", "rsa", "RSA", "Spearman correlation between the dissimilarities of class means of two halves "
            "of the speakers", low=-1, high=1),
    Measure("procrustes", "procrustes", "Procrustes similarity", "angular Procrustes similarity of two taps: 1 "
            "less the angle between them after the best rotation, in right angles", low=0, high=1),
    Measure("partial-cca", "beyond", "partial CCA", "mean held-out canonical correlation of states and labels, "
            "what the given view explains of either taken off", low=-1, high=1),
    Measure("explained-alone", "beyond", "explained by the states alone", "share of the labels' held-out variance "
            "that states add to the given view", high=1, rank=2),
    Measure("explained-given", "beyond", "explained by the given view alone", "share of the labels' held-out "
            "variance that the given view adds to the states", high=1, better="neither", rank=2),
    Measure("explained-common", "beyond", "explained by both alike", "share of the labels' held-out variance that "
            "states and given view both explain", high=1, better="neither", rank=2),
    Measure("explained", "beyond", "explained in all", "share of the labels' held-out variance that states and "
            "given view explain together", high=1, better="neither", rank=2),
    Measure("reach-mean", "reach", "reach", "how far from a frame its labels are half as well known as where they "
            "are known best, mean of before and after", unit="ms", low=-500, high=500),
    Measure("reach-before", "reach", "reach before", "how far before a frame labels are half as well known as "
            "where they are known best", unit="ms", low=-500, high=500, rank=2),
    Measure("reach-after", "reach", "reach after", "how far after a frame labels are half as well known as where "
            "they are known best", unit="ms", low=-500, high=500, rank=2),
    Measure("reach-asymmetry", "reach", "asymmetry of reach", "reach after less reach before by their sum: above "
            "0 where a frame holds more of what follows", low=-1, high=1, better="neither", rank=2),
    Measure("lag-cca", "lag", "mean CCA at a lag", "mean held-out canonical correlation of a frame and the label "
            "that is spoken so long before or after it", low=-1, high=1, rank=2),
    Measure("boundary-r", "boundary", "R-value of boundaries", "how well peaks of change mark boundaries, where "
            "naming too many costs", high=1),
    Measure("boundary-f1", "boundary", "F1 of boundaries", "harmonic mean of the precision and recall of "
            "boundaries that peaks of change mark", low=0, high=1, rank=2),
    Measure("boundary-precision", "boundary", "precision of boundaries", "share of peaks of change that are "
            "boundaries", low=0, high=1, rank=2),
    Measure("boundary-recall", "boundary", "recall of boundaries", "share of boundaries that peaks of change mark",
            low=0, high=1, rank=2),
    Measure("boundary-ceiling", "boundary", "F1 that the rate allows", "F1 of boundaries of the best choice among "
            "the places between frames", low=0, high=1, rank=2),
    Measure("unit-per", "units", "phone error rate of units", "wrong, missing and added phones by their number, "
            "where every unit has a name and several may share one", low=0, better="lower"),
    Measure("unit-per-one", "units", "phone error rate of units, one to one", "wrong, missing and added phones by "
            "their number, where no two units share a name", low=0, better="lower", rank=2),
    Measure("unit-pnmi", "units", "PNMI of units", "mutual information of frames' units and labels, as a share of "
            "the labels' entropy", low=0, high=1, rank=2),
    Measure("unit-purity", "units", "purity of units", "share of frames that carry their unit's commonest label",
            low=0, high=1, rank=2),
    Measure("unit-bits", "units", "bit rate of units", "entropy of the units, repeats counted once, by the time "
            "that they take", unit="bit/s", low=0, better="lower", rank=2),
    Measure("sentence-auc", "sentence", "same-sentence AUC", "chance that two readings of one sentence are more "
            "alike than readings of two", low=0, high=1),
    Measure("sentence-spearman", "sentence", "sentence similarity", "rank correlation of the similarity of "
            "utterances with given scores", low=-1, high=1),
    Measure("knn-accuracy", "knn", "k-NN accuracy", "share of segments that their nearest neighbours of other "
            "speakers name right", low=0, high=1),
    Measure("centroid-accuracy", "centroid", "nearest-centroid accuracy", "share of segments that the nearest "
            "class mean of other speakers names right", low=0, high=1),
    Measure("abx-within", "abx", "ABX error within speakers", "how often X is nearer to B than to A of its own "
            "class, all of one speaker", low=0, high=1, better="lower"),
    Measure("abx-across", "abx", "ABX error across speakers", "how often X of another speaker is nearer to B than "
            "to A of its own class", low=0, high=1, better="lower"),
    Measure("map", "map", "word MAP", "mean average precision of finding the same word among all tokens by cosine",
            low=0, high=1),
    Measure("map-across", "map", "word MAP across speakers", "mean average precision of finding the same word "
            "said by other speakers", low=0, high=1, rank=2),
    Measure("mtwv", "qbe", "MTWV", "maximum term-weighted value of finding spoken queries in documents by warping",
            low=0, high=1),
    Measure("accuracy", "probe", "probe accuracy", "share that a small head on frozen states names right", low=0,
            high=1),
    Measure("per", "probe", "phone error rate", "wrong, missing and added phones by the number of phones", low=0,
            better="lower"),
    Measure("wer", "probe", "word error rate", "wrong, missing and added words by the number of words", low=0,
            better="lower"),
    Measure("cer", "probe", "character error rate", "wrong, missing and added characters by their number", low=0,
            better="lower", rank=2),
    Measure("eer", "probe", "equal error rate", "error where as many same-speaker pairs are refused as others are "
            "accepted", low=0, high=1, better="lower"),
    Measure("der", "probe", "diarization error rate", "speech missed, added or given to another speaker, by the "
            "time spoken", low=0, better="lower"),
    Measure("frame-accuracy", "probe", "frame accuracy", "share of frames whose active speakers are all named "
            "right", low=0, high=1, rank=2),
    Measure("slot-f1", "probe", "F1 of slot types", "F1 of the slot types found in utterances", low=0, high=1),
    Measure("slot-cer", "probe", "character error rate of slot values", "wrong, missing and added characters in "
            "the values of slots", low=0, better="lower"),
    Measure(LAYER_WEIGHT, "mixing", "weight in the weighted sum", "what a layer counts in a probe's learned "
            "weighted sum; read it beside the vectors' length", low=0, high=1, better="neither", rank=EXPLAINS),
    Measure(LAYER_NORM, "mixing", "length of the vectors", "mean length of a layer's vectors, as a probe reads "
            "them", low=0, better="neither", rank=EXPLAINS),
    Measure(MASKED_ACCURACY, "pretraining", "masked-prediction accuracy", "how often the unit of a masked frame "
            "is predicted right on held-out speech", low=0, high=1, of="encoder"),
    Measure(PARAMETERS, "cost", "parameters", "weights of the encoder that run", low=0, better="lower",
            of="encoder", counted=True),
    Measure(MACS, "cost", "MACs", "multiply-accumulates of convolutions and linear layers, the published "
            "convention", unit="MAC", low=0, better="lower", of="encoder", counted=True),
    Measure(MACS_ATTENTION, "cost", "MACs with attention", "multiply-accumulates with the two products of "
            "self-attention", unit="MAC", low=0, better="lower", of="encoder", counted=True),
    Measure(SPEED, "cost", "speed", "seconds of audio read in a second", unit="s/s", low=0, of="encoder"),
    Measure(PEAK_MEMORY, "cost", "peak memory", "most bytes at once while reading, weights included", unit="B",
            low=0, better="lower", of="encoder"),
    Measure(TRAIN_SPEED, "cost", "speed of training", "seconds of audio through forward and backward in one",
            unit="s/s", low=0, of="encoder"),
    Measure(TRAIN_MEMORY, "cost", "peak memory of training", "most bytes at once in a training step", unit="B",
            low=0, better="lower", of="encoder"),
)  # fmt: skip

_BY_NAME = {each.name: each for each in TABLE}
if len(_BY_NAME) < len(TABLE):
    raise AssertionError("two measures have one name")


def find_measure(name: str) -> Measure:
    """The measure of that name.

    Raises:
        LaminaError: there is none.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    guess = difflib.get_close_matches(name, _BY_NAME, n=1)
    hint = f"; did you mean {guess[0]!r}?" if guess else ""
    raise LaminaError(f"there is no measure {name!r}{hint} (`lamina measures` lists them)")


def family(*names: str) -> tuple[str, ...]:
    """The names of the measures of these families, in the order of the table."""
    return tuple(each.name for each in TABLE if each.family in names)


def spelled_out(asked: Iterable[str], families: Iterable[str]) -> tuple[str, ...]:
    """Names of measures and families as names of measures, each once; only those of ``families`` may be asked for.

    Raises:
        LaminaError: a name is none of theirs.
    """
    families = tuple(families)
    known = {one: (one,) for one in family(*families)} | {
        # A family may be called as its first measure is: then the name means all of it.
        each: family(each)
        for each in families
    }
    asked = tuple(asked)
    for name in asked:
        if name not in known:
            guess = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {guess[0]!r}?" if guess else ""
            raise LaminaError(
                f"there is no measure {name!r} here{hint}; there are {', '.join(families)} (`lamina measures` "
                "says what each holds)"
            )
    return tuple(dict.fromkeys(chain(*(known[name] for name in asked))))
