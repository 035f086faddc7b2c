"""What an analysis measures, and by which rules. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from lamina.analysis.naming import tier_of
from lamina.analysis.published import PROTOCOLS
from lamina.config import Config
from lamina.measures import TABLE, family, spelled_out

ELSEWHERE = frozenset({"probe", "mixing", "pretraining", "cost"})  # families that other rooms make
FAMILIES = tuple(dict.fromkeys(each.family for each in TABLE if each.family not in ELSEWHERE))
USUAL = tuple(each.name for each in TABLE if each.usual)
SENTENCE, VECTORS = "sentence", "word-vectors"
Pooling = Literal["all", "middle", "centre", "quarter1", "quarter2", "quarter3", "quarter4"]
Scaling = Literal["standardised", "raw"]


class AnalysisConfig(Config):
    """Settings of an analysis; every one changes results.

    Attributes:
        targets: what taps are held against: ``mel`` (log-mel), a tier of the corpus (``phone``, ``word``, …),
            a label of its utterances (``emotion``, …), ``speaker``, ``word-vectors``, ``sentence``, ``tap`` or
            ``tap:NAME`` (another tap, the first where no name is given), ``encoder:NAME`` or ``encoder:NAME:TAP``
            (another encoder, its last tap where none is given).
        taps: which taps of the encoder; all where None.
        measures: which ones; a family's name (`FAMILIES`) means all of it. Targets that one measure is made for
            (``sentence``, ``query``) need no mention.
        pooling: which of the frames that a segment owns are averaged (`lamina.frames.narrowed`); several
            are read side by side.
        states: how what compares rows by distance (``mi``, ``purity``, ``sentence``, ``knn``, ``centroid``,
            ``abx``, ``map``) reads them: with every dimension ``standardised``, or ``raw``, or both side by side.
        rate_matched: whether to read taps also after decimation to the coarsest grid of the comparison.
        word_vectors: a text file of word vectors (GloVe's format), for ``word-vectors``.
        sentence_pairs: a file of scored pairs of utterances for ``sentence``; where None, the same sentence by
            other speakers is held against other sentences.
        folds: of speakers, where the corpus has no train and test split; also of ``speaker``, by utterance.
        seed: of speaker roles, codebooks, shuffled labels and resampling.
        clusters: k-means clusters by target, for mutual information.
        other_clusters: those of targets that `clusters` does not name; at most a tenth of the codebook's sample.
        max_classes: at most so many labels of a target, the most frequent on the fit speakers.
        min_instances: a label needs so many instances on the fit speakers.
        max_sample: at most so many fit segments make a codebook; with folds, so many are counted, too.
        ridges: CCA ridges tried, relative to a view's mean variance; one is chosen on the fit speakers alone.
        replicates: resamples of the score speakers (or folds), for intervals.
        level: coverage of intervals.
        max_groups: more score speakers than this are resampled in so many groups.
        neighbours: how many name a segment (``knn``).
        items: ``abx``: an item file of fastabx or ZeroSpeech whose segments are compared instead of the tier's.
        contexts: ``abx``: A, B and X have the ``same`` labels to either side, or ``any``.
        most_items: ``knn``, ``centroid``, ``map``: at most so many segments a part, drawn by ``seed``.
        most_pairs: ``abx``, ``query``: at most so many warped pairs a tap (``abx``: within and across each).
        memory_gib: an analysis whose sums need more is refused before it starts.
        batch_seconds: padded audio a batch.
        chunk_seconds: longer utterances are read in pieces of at most so much (`lamina.corpus.pieces`); 0 reads
            them whole.
        protocol: by which rules (docs/analysis.md).
        shuffles: how often labels are shuffled for the null, at most (docs/analysis.md says when fewer are):
            within speaker; among speakers where no speaker has two labels; among all utterances for ``speaker``.
    """

    targets: tuple[str, ...] = Field(("mel", "phone", "word"), min_length=1)
    taps: tuple[str, ...] | None = None
    measures: tuple[str, ...] = Field(USUAL, min_length=1)
    pooling: tuple[Pooling, ...] = Field(("all",), min_length=1)
    states: tuple[Scaling, ...] = Field(("standardised",), min_length=1)
    rate_matched: bool = False
    word_vectors: str | None = None
    sentence_pairs: str | None = None
    folds: int = Field(5, ge=2, le=10_000)
    seed: int = Field(0, ge=0)
    clusters: dict[str, int] = Field(default_factory=lambda: {"phone": 100, "word": 200})
    other_clusters: int = Field(200, ge=2)
    max_classes: int = Field(500, ge=2)
    min_instances: int = Field(5, ge=1, le=10**9)
    max_sample: int = Field(20_000, ge=100, le=10**8)
    ridges: tuple[float, ...] = Field((1e-6, 1e-4, 1e-2, 1e-1), min_length=1)
    replicates: int = Field(200, ge=0)
    level: float = Field(0.95, gt=0, lt=1)
    max_groups: int = Field(256, ge=2)
    neighbours: int = Field(10, ge=1)
    items: str | None = None
    contexts: Literal["same", "any"] = "same"
    most_items: int = Field(2000, ge=2, le=10**8)
    most_pairs: int = Field(20_000, ge=2, le=10**9)
    memory_gib: float = Field(8.0, gt=0)
    batch_seconds: float = Field(60.0, gt=0)
    chunk_seconds: float = Field(60.0, ge=0)
    protocol: str = "lamina"
    shuffles: int = Field(20, ge=0, le=10_000)

    @field_validator("targets", "taps", "measures", "pooling", "states", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        """Names by commas, as in the command's options."""
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _sensible(self) -> AnalysisConfig:
        if len(set(self.targets)) < len(self.targets) or "" in self.targets:
            raise ValueError("targets must be distinct names")
        if len(set(self.pooling)) < len(self.pooling):
            raise ValueError("poolings must be distinct")
        if len(set(self.states)) < len(self.states):
            raise ValueError("states must be distinct: standardised, raw, or both")
        if min(self.ridges) < 0:
            raise ValueError("a ridge cannot be negative")
        if any(number < 2 for number in self.clusters.values()):
            raise ValueError("a codebook needs at least two clusters")
        if VECTORS in self.targets and self.word_vectors is None:
            raise ValueError("target word-vectors needs a file of them: give word_vectors (--word-vectors FILE)")
        if self.sentence_pairs is not None and SENTENCE not in self.targets:
            raise ValueError("sentence_pairs are for the target sentence: add it to the targets")
        spelled_out(self.measures, FAMILIES)
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"there is no protocol {self.protocol!r}; there are {', '.join(PROTOCOLS)}")
        PROTOCOLS[self.protocol].check(self)
        return self

    @property
    def wanted(self) -> frozenset[str]:
        """The names of the measures, families spelled out."""
        return frozenset(spelled_out(self.measures, FAMILIES))

    def wants(self, *families: str) -> bool:
        """Whether a measure of one of these families is asked for."""
        return not self.wanted.isdisjoint(family(*families))

    def clusters_of(self, target: str, sample: int) -> int:
        """How many clusters the codebook of a target has, of which so many segments make it."""
        return self.clusters.get(tier_of(target), max(2, min(self.other_clusters, sample // 10)))
