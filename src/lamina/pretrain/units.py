"""Units: what pretraining predicts. Streaming k-means on an encoder's states, one label a frame, one compact file.

Round 1 of HuBERT (Hsu et al. 2021) clusters MFCC, round 2 a layer of the round-1 model, and so on: ``features``
and ``tap`` say of what. No features are ever written to disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from lamina.config import Config
from lamina.corpus.batches import batches
from lamina.corpus.corpus import Corpus, Utterance
from lamina.corpus.pieces import in_pieces
from lamina.corpus.splits import of_split
from lamina.encoders.encoder import Encoder, States, Tap, find_taps, window_samples
from lamina.errors import LaminaError
from lamina.files import check_folder, digest
from lamina.pretrain.labels import CODEBOOK_FILE, UNITS_FILE, Codebook, Normalise, Units, normalised
from lamina.stats import kmeans
from lamina.stats.information import Counts, pnmi, purity

__all__ = [
    "Codebook",
    "Units",
    "UnitsConfig",
    "UnitsEncoder",
    "features_of",
    "fit_units",
    "label_corpus",
    "label_units",
    "make_units",
    "unit_quality",
]

Progress = Callable[[int, int], None]


class UnitsConfig(Config):
    """How units are made.

    Attributes:
        features: ``mfcc`` (with ``normalise = "utterance"`` these are the encoder ``mfcc-cmvn``), ``mel``, or an
            encoder (run folder, transformers folder, hub name).
        tap: which tap of it; empty where it has only one.
        clusters: units in the codebook.
        normalise: ``utterance`` scales each feature to mean 0 and deviation 1 over the utterance (right for MFCC:
            it removes channel and much of the voice); ``none`` clusters the states as they are (usual from
            round 2 on).
        split: the split that the clusters are fitted on; all of a corpus without splits.
        frames: clusters are sought on so many frames, drawn evenly from the whole split (all, where it has fewer);
            the only ones that are held in memory.
        restarts: k-means++ starts tried.
        passes: where the split has more frames, the centres then settle in so many passes over all of them; each
            encodes the split again. 0 fits the drawn frames alone, as HuBERT's recipe does.
        seed: of the draw and of k-means.
        batch_seconds: seconds of audio, padding included, encoded at a time.
        chunk_seconds: longer utterances are read in pieces of at most so much (`lamina.corpus.pieces`); 0 reads
            them whole.
    """

    features: str = "mfcc"
    tap: str = ""
    clusters: int = Field(default=100, ge=2, le=1 << 16)  # labels are stored as uint16
    normalise: Normalise = "utterance"
    split: str = "train"
    frames: int = Field(default=100_000, ge=1, le=10**9)
    restarts: int = Field(default=5, ge=1, le=1000)
    passes: int = Field(default=1, ge=0, le=1000)
    seed: int = 0
    batch_seconds: float = Field(default=120.0, gt=0)
    chunk_seconds: float = Field(default=60.0, ge=0)


def make_units(
    config: UnitsConfig,
    corpus: Corpus,
    folder: Path,
    progress: Progress | None = None,
    *,
    device: str = "cpu",
) -> tuple[Units, dict[str, float]]:
    """`fit_units`, then `label_corpus`, into one folder."""
    check_folder(folder)
    codebook = fit_units(features_of(config, device), config.tap, corpus, config, device=device)
    codebook.write(folder / CODEBOOK_FILE)
    return label_corpus(config, codebook, corpus, folder, progress, device=device)


def label_corpus(
    config: UnitsConfig,
    codebook: Codebook,
    corpus: Corpus,
    folder: Path,
    progress: Progress | None = None,
    *,
    told_on: Corpus | None = None,
    device: str = "cpu",
) -> tuple[Units, dict[str, float]]:
    """Label a corpus with a codebook that ``config`` made, there or on another corpus; writes into ``folder``.

    ``told_on`` is the same corpus with other phones, where quality is told of these: units are no others.

    Returns:
        The units, and what `unit_quality` says of them (on ``phone``; empty where the corpus has no such tier).

    Raises:
        LaminaError: the codebook has another number of units than the config says, or is of another encoder or
            tap.
    """
    if len(codebook.centroids) != config.clusters:
        raise LaminaError(
            f"the config makes {config.clusters} units, the codebook has {len(codebook.centroids)}: give the "
            "config that it was fitted with"
        )
    check_folder(folder)
    encoder = features_of(config, device)
    if codebook.features == encoder.digest and (tap := unit_tap(encoder, config.tap).name) != codebook.tap:
        raise LaminaError(
            f"the config makes units of tap {tap}, the codebook is of tap {codebook.tap}: give the config that it "
            "was fitted with"
        )
    units = label_units(
        encoder,
        codebook,
        corpus,
        batch_seconds=config.batch_seconds,
        chunk_seconds=config.chunk_seconds,
        progress=progress,
    )
    units.write(folder / UNITS_FILE)
    return units, unit_quality(units, units.pieces(told_on or corpus), "phone")


def features_of(config: UnitsConfig, device: str = "cpu") -> Encoder:
    """The encoder whose states are clustered."""
    from lamina.encoders.features import MfccEncoder
    from lamina.encoders.load import load_encoder

    if config.features == "mfcc":
        return MfccEncoder(config.normalise, device=device)
    return load_encoder(config.features, device=device)


def fit_units(
    encoder: Encoder,
    tap: str,
    corpus: Corpus,
    config: UnitsConfig,
    progress: Progress | None = None,
    *,
    device: str = "cpu",
) -> Codebook:
    """Fit ``config.clusters`` centres to the states at ``tap`` (the only one where empty), streaming.

    Raises:
        LaminaError: the split is empty, has fewer frames than clusters, or there is no such tap.
    """
    place = unit_tap(encoder, tap)
    corpus = in_pieces(corpus, config.chunk_seconds, window_samples(encoder))
    utterances = of_split(corpus, config.split)
    if not utterances:
        raise LaminaError(f"corpus {corpus.name} has no audio to cluster: check its path")

    def frames() -> Iterator[Tensor]:
        states = utterance_states(encoder, place, corpus, utterances, config.batch_seconds)
        for done, (_, values) in enumerate(states, start=1):
            if progress is not None:
                progress(done, len(utterances))
            yield normalised(values.float().cpu(), config.normalise)

    found = kmeans.fit(
        frames,
        config.clusters,
        seed=config.seed,
        sample=config.frames,
        restarts=config.restarts,
        passes=config.passes,
        device=device,
    )
    return Codebook(found.centres, config.normalise, place.name, encoder.digest, found.inertia)


def label_units(
    encoder: Encoder,
    codebook: Codebook,
    corpus: Corpus,
    *,
    batch_seconds: float = 120.0,
    chunk_seconds: float = 60.0,
    progress: Progress | None = None,
) -> Units:
    """Label every utterance of a corpus, or its pieces where it is long; one pass, one batch in memory at a time.

    Raises:
        LaminaError: the codebook was fitted on another encoder, or an utterance is too short for one frame.
    """
    if codebook.features != encoder.digest:
        raise LaminaError(
            f"the codebook was fitted on encoder {codebook.features}, but {encoder.name} is {encoder.digest}; "
            "label with the encoder that it was fitted on"
        )
    tap = unit_tap(encoder, codebook.tap)
    longest = min(filter(None, (chunk_seconds, window_samples(encoder) / encoder.sample_rate)), default=0.0)
    corpus = in_pieces(corpus, longest)
    labels: list[NDArray[np.uint16]] = []
    ids: list[str] = []
    for utterance, states in utterance_states(encoder, tap, corpus, corpus.utterances(), batch_seconds):
        labels.append(codebook.label(states).numpy().astype(np.uint16))
        ids.append(utterance.id)
        if progress is not None:
            progress(len(ids), len(corpus))
    offsets = np.cumsum([0, *map(len, labels)], dtype=np.int64)
    return Units(
        np.concatenate(labels) if labels else np.zeros(0, np.uint16),
        offsets,
        tuple(ids),
        tap.grid,
        len(codebook.centroids),
        corpus.digest,
        encoder.digest,
        codebook.digest,
        longest,
    )


def unit_tap(encoder: Encoder, name: str) -> Tap:
    """The tap called ``name``, or the only one where ``name`` is empty.

    Raises:
        LaminaError: there is no such tap, or several to choose from.
    """
    if name:
        return find_taps(encoder, [name])[0]
    if len(encoder.taps) > 1:
        raise LaminaError(
            f"encoder {encoder.name} has several taps: say which one makes the units (tap = …); they are "
            f"{', '.join(tap.name for tap in encoder.taps)}"
        )
    return encoder.taps[0]


def utterance_states(
    encoder: Encoder, tap: Tap, corpus: Corpus, utterances: Iterable[Utterance], seconds: float
) -> Iterator[tuple[Utterance, Tensor]]:
    """The states (frames, width) of one utterance after another, read in batches of ``seconds`` of audio."""
    with torch.inference_mode():
        for batch in batches(corpus, utterances, seconds=seconds, window=window_samples(encoder)):
            (states,) = encoder.states(batch.waves, batch.lengths, [tap.name])
            for index, utterance in enumerate(batch.utterances):
                yield utterance, states.utterance(index)


def unit_quality(units: Units, corpus: Corpus, tier: str, split: str | None = None) -> dict[str, float]:
    """How well units know the classes of a tier, on the frames that its segments own (HuBERT, section IV-B).

    Returns:
        ``pnmi``, ``label-purity`` (share of frames with their unit's commonest class), ``cluster-purity``, and
        ``used``, the share of units that occur; empty where no utterance has the tier.
    """
    names: dict[str, int] = {}
    found: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for utterance in corpus.utterances(split):
        labels = units.of(utterance).astype(np.int64)
        for segment in utterance.tiers.get(tier, ()):
            owned = units.grid.owned(segment.onset, segment.offset, len(labels))
            if len(owned):
                name = names.setdefault(segment.label, len(names))
                found.append((labels[owned.start : owned.stop], np.full(len(owned), name)))
    if not found:
        return {}
    pair = [torch.from_numpy(np.concatenate(side)) for side in zip(*found, strict=True)]
    counts = Counts.of(pair, (units.clusters, len(names)))
    of_label, of_cluster = purity(counts)
    return {
        "pnmi": pnmi(counts),
        "label-purity": float(of_label),
        "cluster-purity": float(of_cluster),
        "used": len(np.unique(units.labels)) / units.clusters,
    }


class UnitsEncoder:
    """The units themselves as an encoder: one tap, ``units``, whose states are one-hot. A baseline.

    Args:
        features: the encoder that the codebook was fitted on.
        codebook: its clusters.

    Raises:
        LaminaError: the codebook was fitted on another encoder.
    """

    def __init__(self, features: Encoder, codebook: Codebook) -> None:
        if codebook.features != features.digest:
            raise LaminaError(
                f"the codebook was fitted on encoder {codebook.features}, but {features.name} is "
                f"{features.digest}; use the encoder that it was fitted on, or fit again"
            )
        (tap,) = find_taps(features, [codebook.tap])
        self.name = f"{features.name}-units"
        self.digest = digest(["units", features.digest, codebook.digest])
        self.sample_rate = features.sample_rate
        self.window_samples = window_samples(features)
        self.taps: tuple[Tap, ...] = (Tap("units", 0, len(codebook.centroids), tap.grid),)
        self._features = features
        self._codebook = codebook

    def states(self, waves: Tensor, lengths: Tensor, taps: Sequence[str] | None = None) -> Iterator[States]:
        """Yield the one-hot units (batch, frames, clusters); zeros beyond an utterance's length."""
        for tap in find_taps(self, taps):
            (read,) = self._features.states(waves, lengths, [self._codebook.tap])
            values = torch.zeros(*read.values.shape[:2], tap.width)
            for index, row in enumerate(values):
                labels = self._codebook.label(read.utterance(index))
                row[torch.arange(len(labels)), labels] = 1.0
            yield States.checked(values, lengths.tolist(), tap)
