"""What an analysis measures, and by which rules. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lamina.config import Config


class AnalysisConfig(Config):
    """Settings of an analysis; every one changes results.

    Attributes:
        targets: ``mel`` (log-mel frames) and tiers of the corpus (``phone``, ``word``, …).
        taps: which taps of the encoder; all where None.
        seed: of speaker roles, codebooks, shuffled labels and resampling.
        clusters: k-means clusters by target, for mutual information.
        other_clusters: clusters of targets that `clusters` does not name.
        max_classes: at most so many labels of a target, the most frequent on the fit speakers.
        min_instances: a label needs so many instances on the fit speakers.
        max_sample: at most so many fit segments make a codebook.
        ridges: CCA ridges tried, relative to a view's mean variance; one is chosen on the fit speakers alone.
        replicates: resamples of the score speakers, for intervals.
        level: coverage of intervals.
        max_groups: more score speakers than this are resampled in so many groups.
        batch_seconds: padded audio a batch.
        protocol: by which rules; ``lamina`` as told in `lamina.analysis.sweep.analyze`.
        shuffled: whether to measure the null too, labels shuffled within speaker.
    """

    targets: tuple[str, ...] = Field(("mel", "phone", "word"), min_length=1)
    taps: tuple[str, ...] | None = None
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
    protocol: Literal["lamina"] = "lamina"
    shuffled: bool = True

    @model_validator(mode="after")
    def _sensible(self) -> AnalysisConfig:
        if len(set(self.targets)) < len(self.targets) or "" in self.targets:
            raise ValueError("targets must be distinct names")
        if min(self.ridges) < 0:
            raise ValueError("a ridge cannot be negative")
        if any(number < 2 for number in self.clusters.values()):
            raise ValueError("a codebook needs at least two clusters")
        return self

    def clusters_of(self, target: str) -> int:
        """How many clusters the codebook of a target has."""
        return self.clusters.get(target, self.other_clusters)
