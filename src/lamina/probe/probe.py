"""Probes of segments: how well a linear classifier on pooled frames names the phone (word, syllable) it hears.

The protocol: frames belong to the segment in which their centre lies and are averaged; every tap is scored on the
same segments, those in which every tap has a frame; logistic regression is fitted on the fit speakers, its
penalty chosen on some of them held out; accuracy counts on speakers never fitted on, with an interval from
resampling those speakers. Beside it stands the accuracy of always naming the most frequent label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lamina.config import Config
from lamina.corpus.corpus import Corpus, Segment, Utterance
from lamina.corpus.splits import roles
from lamina.encoders.encoder import Encoder, find_taps
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.probe.linear import predict
from lamina.probe.pooling import Pooled, pool, supported
from lamina.score import Score, Scores
from lamina.stats.inference import percentile_interval, resample_weights


class ProbeConfig(Config):
    """How segments are probed.

    Attributes:
        tiers: the tiers whose labels are named.
        taps: where to read, all taps where empty.
        penalties: of the squared weights, to choose from.
        iterations: the most steps of L-BFGS a fit.
        held_out: share of the fit speakers on whom the penalty is chosen.
        most_labels: only so many labels are probed, the most frequent in the fit part.
        least_count: only labels with so many segments in the fit part are probed.
        most_segments: at most about so many segments are fitted on (whole utterances, chosen by ``seed``).
        batch_seconds: the most padded audio in a batch.
        replicates: resamples of speakers for the interval.
        seed: of all choices.
    """

    tiers: tuple[str, ...] = ("phone",)
    taps: tuple[str, ...] = ()
    penalties: tuple[float, ...] = Field((0.01, 1.0, 100.0), min_length=1)
    iterations: int = Field(100, ge=1)
    held_out: float = Field(0.25, gt=0, lt=1)
    most_labels: int = Field(500, ge=2)
    least_count: int = Field(5, ge=1)
    most_segments: int = Field(20000, ge=100)
    batch_seconds: float = Field(40.0, gt=0)
    replicates: int = Field(1000, ge=2)
    seed: int = 0


def probe(
    encoder: Encoder,
    corpus: Corpus,
    config: ProbeConfig,
    *,
    support: Sequence[Grid] | None = None,
    control: str = "",
    run_name: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Scores:
    """Probe an encoder at its taps.

    Args:
        encoder: takes audio at the corpus's rate.
        corpus: has the tiers.
        config: how.
        support: grids that must also have a frame in every segment: those of the other encoders of a comparison.
        control: the ``control`` column, such as ``untrained``.
        run_name: the ``run`` column.
        progress: told how many of how many utterances are read.

    Returns:
        A row ``probe-accuracy`` a tap and tier, and one a tier of the model ``majority``: always the most frequent
        label.

    Raises:
        LaminaError: rates differ, a tier is missing, or too little is left to fit or to score.
    """
    if encoder.sample_rate != corpus.sample_rate:
        raise LaminaError(
            f"{encoder.name} takes audio at {encoder.sample_rate} Hz, the corpus {corpus.name} is at "
            f"{corpus.sample_rate} Hz: import the corpus at the encoder's rate"
        )
    if any(penalty <= 0 for penalty in config.penalties):
        raise LaminaError(f"penalties {config.penalties} must all be above 0")
    taps = find_taps(encoder, config.taps or None)
    grids = list(dict.fromkeys([*(tap.grid for tap in taps), *(support or ())]))
    fit, score, split = roles(corpus, seed=config.seed)
    rows: list[Score] = []
    for place, tier in enumerate(config.tiers):
        fitted, chosen = _choose(fit, score, tier, grids, config, corpus.name)
        done = place * (len(fit) + len(score))

        def tell(count: int, done: int = done) -> None:
            if progress is not None:
                progress(done + count, len(config.tiers) * (len(fit) + len(score)))

        known = pool(encoder, corpus, chosen, fitted, taps, seconds=config.batch_seconds, progress=tell)
        asked = pool(encoder, corpus, chosen, score, taps, seconds=config.batch_seconds)
        tell(len(fit) + len(score))
        tuning = _held_out(known, config)
        names, counts = np.unique(known.labels, return_counts=True)
        base = _Row(asked, config, run_name, tier, split)
        rows.append(base.score("majority", "majority", np.full(asked.labels.shape, names[counts.argmax()])))
        for tap in taps:
            labels, _penalty = predict(
                known.values[tap.name],
                known.labels,
                tuning,
                asked.values[tap.name],
                penalties=config.penalties,
                iterations=config.iterations,
            )
            found = base.score(encoder.name, tap.name, labels)
            rows.append(replace(found, depth=tap.depth, period_ms=tap.grid.period_ms, control=control))
    return Scores(rows)


def _choose(
    fit: Sequence[Utterance],
    score: Sequence[Utterance],
    tier: str,
    grids: Sequence[Grid],
    config: ProbeConfig,
    corpus: str,
) -> tuple[list[Utterance], dict[str, list[Segment]]]:
    """The utterances to fit on (no more than needed), and the segments of each utterance that count."""
    seen = {utterance.id: supported(utterance, tier, grids) for utterance in (*fit, *score)}
    order = np.random.default_rng(config.seed).permutation(len(fit))
    taken: set[int] = set()
    held = 0
    for index in map(int, order):
        if held >= config.most_segments:
            break
        taken.add(index)
        held += len(seen[fit[index].id])
    fitted = [utterance for index, utterance in enumerate(fit) if index in taken]
    counts = Counter(segment.label for utterance in fitted for segment in seen[utterance.id])
    frequent = sorted(counts, key=lambda label: (-counts[label], label))[: config.most_labels]
    labels = {label for label in frequent if counts[label] >= config.least_count}
    if len(labels) < 2:
        raise LaminaError(
            f"{corpus} cannot be probed for {tier}: {len(labels)} labels have {config.least_count} or more "
            f"segments to fit on; check that the corpus has the tier {tier!r}, use more speech, or lower "
            "`least_count`"
        )
    chosen = {name: [part for part in parts if part.label in labels] for name, parts in seen.items()}
    if not any(chosen[utterance.id] for utterance in score):
        raise LaminaError(f"{corpus}: no {tier} to score on is among those fitted on; use more speech")
    return fitted, chosen


def _held_out(known: Pooled, config: ProbeConfig) -> NDArray[np.bool_]:
    """Which fitted segments choose the penalty: those of some speakers; of one speaker, every fourth or so."""
    random = np.random.default_rng(config.seed)
    speakers = np.unique(known.speakers)
    if len(speakers) > 1:
        count = min(max(1, round(config.held_out * len(speakers))), len(speakers) - 1)
        return np.isin(known.speakers, random.permutation(speakers)[:count])
    return random.random(len(known.labels)) < config.held_out


@dataclass(frozen=True)
class _Row:
    """What the rows of one tier share."""

    asked: Pooled
    config: ProbeConfig
    run: str
    tier: str
    split: str

    def score(self, model: str, tap: str, labels: NDArray[np.str_]) -> Score:
        """The accuracy of predicted labels, with an interval from resampling speakers."""
        right = labels == self.asked.labels
        names, speaker = np.unique(self.asked.speakers, return_inverse=True)
        low, high = None, None
        if len(names) > 1:
            weights = resample_weights(list(names), replicates=self.config.replicates, seed=self.config.seed)
            hits = weights @ np.bincount(speaker, right.astype(np.float64), len(names))
            low, high = percentile_interval(hits / (weights @ np.bincount(speaker, minlength=len(names))))
        return Score(
            study="",
            run=self.run,
            model=model,
            tap=tap,
            depth=0,
            period_ms=0.0,
            measure="probe-accuracy",
            target=self.tier,
            value=float(right.mean()),
            unit="",
            low=low,
            high=high,
            n=len(right),
            split=self.split,
            seed=self.config.seed,
            protocol="lamina",
            support="common",
            control="",
        )
