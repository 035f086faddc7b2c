"""What an analysis measures, and by which rules. Imports no torch."""

from __future__ import annotations

from itertools import chain
from typing import Literal

from pydantic import Field, field_validator, model_validator

from lamina.config import Config

MEL, SPEAKER, SENTENCE, VECTORS, TAP, ENCODER = "mel", "speaker", "sentence", "word-vectors", "tap", "encoder"
# By family, what can be measured (`lamina.analysis.measures`); the first of a family are the usual ones.
FAMILIES = {
    "cca": ("cca-mean", "cca-pwcca", "cca-pwcca-y", "svcca-mean"),
    "cka": ("cka",),
    "rank": ("effective-rank", "participation-ratio"),
    "mi": ("mi-normalised", "mi-bits", "mi-corrected"),
    "purity": ("purity-label", "purity-cluster"),
}
# What is no tier and no label of utterances.
SPECIAL = frozenset({MEL, SPEAKER, SENTENCE, TAP, ENCODER})
USUAL = ("cca-mean", "cca-pwcca", "mi-normalised", "mi-bits", "mi-corrected")
PASAD = "cca-pwcca"  # all that its protocol measures
Pooling = Literal["all", "middle", "centre", "quarter1", "quarter2", "quarter3", "quarter4"]


class AnalysisConfig(Config):
    """Settings of an analysis; every one changes results.

    Attributes:
        targets: what taps are held against: ``mel`` (log-mel), a tier of the corpus (``phone``, ``word``, …),
            a label of its utterances (``emotion``, …), ``speaker``, ``word-vectors``, ``sentence``, ``tap`` or
            ``tap:NAME`` (another tap, the first where no name is given), ``encoder:NAME`` or ``encoder:NAME:TAP``
            (another encoder, its last tap where none is given).
        taps: which taps of the encoder; all where None.
        measures: which ones (`FAMILIES`); a family's name means all of it. Pairs of sentences have their own.
        pooling: which of the frames that a segment owns are averaged (`lamina.frames.narrowed`); several
            are read side by side.
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
        batch_seconds: padded audio a batch.
        protocol: by which rules (docs/analysis.md).
        shuffled: whether to measure the null too, labels shuffled: within speaker; among speakers where no speaker
            has two labels; among all utterances for ``speaker``.
    """

    targets: tuple[str, ...] = Field(("mel", "phone", "word"), min_length=1)
    taps: tuple[str, ...] | None = None
    measures: tuple[str, ...] = Field(USUAL, min_length=1)
    pooling: tuple[Pooling, ...] = Field(("all",), min_length=1)
    rate_matched: bool = False
    word_vectors: str | None = None
    sentence_pairs: str | None = None
    folds: int = Field(5, ge=2)
    seed: int = Field(0, ge=0)
    clusters: dict[str, int] = Field(default_factory=lambda: {"phone": 100, "word": 200})
    other_clusters: int = Field(200, ge=2)
    max_classes: int = Field(500, ge=2)
    min_instances: int = Field(5, ge=1)
    max_sample: int = Field(20_000, ge=100)
    ridges: tuple[float, ...] = Field((1e-6, 1e-4, 1e-2, 1e-1), min_length=1)
    replicates: int = Field(200, ge=0)
    level: float = Field(0.95, gt=0, lt=1)
    max_groups: int = Field(256, ge=2)
    batch_seconds: float = Field(60.0, gt=0)
    protocol: Literal["lamina", "pasad"] = "lamina"
    shuffled: bool = True

    @field_validator("targets", "taps", "measures", "pooling", mode="before")
    @classmethod
    def _named(cls, value: object) -> object:
        """Names by commas, as in the command's options."""
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _sensible(self) -> AnalysisConfig:
        if len(set(self.targets)) < len(self.targets) or "" in self.targets:
            raise ValueError("targets must be distinct names")
        if self.protocol == "pasad":
            frames = [name for name in self.targets if name in SPECIAL or ":" in name or name == VECTORS]
            if frames or self.rate_matched or self.pooling != ("all",):
                raise ValueError(
                    "protocol pasad measures tiers (--targets phone,word) by poolings of its own, nothing else"
                )
        for measure in self.measures:
            if (
                self.protocol == "pasad"
                and self.measures != USUAL
                and PASAD not in FAMILIES.get(measure, (measure,))
            ):
                raise ValueError(f"protocol pasad has no {measure}; it measures {PASAD}")
            if measure not in FAMILIES and measure not in chain(*FAMILIES.values()):
                known = ", ".join([*FAMILIES, *chain(*FAMILIES.values())])
                raise ValueError(f"there is no measure {measure!r}; there are {known}")
        if len(set(self.pooling)) < len(self.pooling):
            raise ValueError("poolings must be distinct")
        if VECTORS in self.targets and self.word_vectors is None:
            raise ValueError("target word-vectors needs a file of them: give word_vectors (--word-vectors FILE)")
        if self.sentence_pairs is not None and SENTENCE not in self.targets:
            raise ValueError("sentence_pairs are for the target sentence: add it to the targets")
        if min(self.ridges) < 0:
            raise ValueError("a ridge cannot be negative")
        if any(number < 2 for number in self.clusters.values()):
            raise ValueError("a codebook needs at least two clusters")
        return self

    @property
    def wanted(self) -> frozenset[str]:
        """The names of the measures, families spelled out."""
        return frozenset(chain(*(FAMILIES.get(measure, (measure,)) for measure in self.measures)))

    def wants(self, *families: str) -> bool:
        """Whether a measure of one of these families is asked for."""
        return not self.wanted.isdisjoint(chain(*(FAMILIES[family] for family in families)))

    def clusters_of(self, target: str, sample: int) -> int:
        """How many clusters the codebook of a target has, of which so many segments make it."""
        return self.clusters.get(target, max(2, min(self.other_clusters, sample // 10)))
