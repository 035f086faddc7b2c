"""Two files: the codebook that labels frames with units, and the units of a corpus, each on its Grid."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file
from torch import Tensor

from lamina.corpus.corpus import Corpus, Utterance
from lamina.corpus.pieces import in_pieces
from lamina.errors import LaminaError
from lamina.files import digest, parse_json, reading, replacing
from lamina.grid import Grid
from lamina.pretrain.masking import nearest_frames
from lamina.stats.kmeans import Clusters

FORMAT = 3
CODEBOOK_FILE, UNITS_FILE = "codebook.safetensors", "units.safetensors"
Normalise = Literal["none", "utterance"]
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Codebook:
    """Cluster centres and all it takes to label a frame with them.

    Attributes:
        centroids: (clusters, width) float32.
        normalise: what is done to an utterance's states before they are compared with the centres.
        tap: the tap of the encoder that the states are read at.
        features: digest of that encoder.
        inertia: mean squared distance of the fitted frames to their centres.
    """

    centroids: Tensor
    normalise: Normalise
    tap: str
    features: str
    inertia: float

    def __post_init__(self) -> None:
        if self.centroids.ndim != 2 or self.normalise not in get_args(Normalise):
            raise ValueError("centres are (clusters, width), and what is done to states is known")

    @cached_property
    def digest(self) -> str:
        """Changes when a centre or a setting changes."""
        centres = hashlib.sha256(self.centroids.numpy().tobytes()).hexdigest()
        return digest([centres, self.normalise, self.tap, self.features])

    def label(self, states: Tensor) -> Tensor:
        """The unit of each frame of one whole utterance: states (frames, width) to labels (frames,) int64."""
        return Clusters(self.centroids, self.inertia).assign(normalised(states.float().cpu(), self.normalise))

    def write(self, path: Path) -> None:
        """Write one safetensors file, atomically."""
        meta = {
            "normalise": self.normalise,
            "tap": self.tap,
            "features": self.features,
            "inertia": self.inertia,
        }
        _write(path, "codebook", {"centroids": self.centroids.numpy()}, meta)

    @classmethod
    def read(cls, path: Path) -> Codebook:
        """Read what `write` wrote: a file, or the folder of a units run.

        Raises:
            LaminaError: the file is missing, cut short, or no codebook.
        """

        def make(arrays: dict[str, NDArray[Any]], meta: dict[str, Any]) -> Codebook:
            return cls(torch.from_numpy(arrays["centroids"]), **meta)

        return _read(path / CODEBOOK_FILE if path.is_dir() else path, "codebook", make)


@dataclass(frozen=True, eq=False)
class Units:
    """One label a frame for every utterance of a corpus.

    Attributes:
        labels: (all frames,) uint16, utterance after utterance.
        offsets: (utterances + 1,) int64; utterance i owns ``labels[offsets[i]:offsets[i + 1]]``.
        ids: the utterances' ids, in the same order.
        grid: where the labels lie.
        clusters: how many units there are.
        corpus: digest of the corpus that was labelled.
        features: digest of the encoder.
        codebook: digest of the codebook.
        longest: seconds; utterances that are longer were labelled in pieces; 0 where none was cut.
    """

    labels: NDArray[np.uint16]
    offsets: NDArray[np.int64]
    ids: tuple[str, ...]
    grid: Grid
    clusters: int
    corpus: str
    features: str
    codebook: str
    longest: float = 0.0

    def __post_init__(self) -> None:
        counts = np.diff(self.offsets)
        if (
            (len(counts), counts.sum()) != (len(self.ids), len(self.labels))
            or self.offsets[0]
            or counts.min(initial=0) < 0
        ):
            raise ValueError("utterances own labels that are there, one after the other")

    @cached_property
    def digest(self) -> str:
        """Changes when a label or its place changes."""
        labels = hashlib.sha256(self.labels.tobytes()).hexdigest()
        return digest([labels, self.offsets.tolist(), self.grid.to_json(), self.corpus, self.codebook])

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {name: index for index, name in enumerate(self.ids)}

    def pieces(self, corpus: Corpus) -> Corpus:
        """The corpus as it was labelled: in the same pieces where it is long."""
        return in_pieces(corpus, self.longest)

    def of(self, utterance: Utterance) -> NDArray[np.uint16]:
        """The labels of one utterance.

        Raises:
            LaminaError: the utterance has none, or not as many as its audio has frames.
        """
        index = self._places.get(utterance.id)
        if index is None:
            raise LaminaError(
                f"utterance {utterance.id} has no units: they were made for other audio; run `lamina units label` "
                "on this corpus"
            )
        labels = self.labels[self.offsets[index] : self.offsets[index + 1]]
        frames = self.grid.frames(utterance.samples)
        if len(labels) != frames:
            raise LaminaError(
                f"utterance {utterance.id}: {len(labels)} units, but its {utterance.samples} samples make "
                f"{frames} frames; the audio changed after it was labelled: run `lamina units label` again"
            )
        return labels

    def at(self, utterance: Utterance, grid: Grid, frames: int, start: int = 0) -> NDArray[np.int64]:
        """The units of the first ``frames`` frames of a crop that starts at sample ``start``.

        Each frame takes the unit whose centre is nearest to its own, exactly. Where ``start`` is a multiple of the
        units' stride, that is what the whole utterance's frames at those places take.
        """
        labels = self.of(utterance)
        index = nearest_frames(self.grid, grid, frames, start).clip(0, len(labels) - 1)
        taken: NDArray[np.int64] = labels[index].astype(np.int64)
        return taken

    def check(self, corpus: Corpus, utterances: Iterable[Utterance]) -> None:
        """Raise `LaminaError` unless these are units of ``corpus`` and fit each of ``utterances``."""
        if self.corpus != corpus.digest:
            raise LaminaError(
                f"the units were made for corpus {self.corpus}, but this is {corpus.digest} ({corpus.name}); run "
                "`lamina units label` on this corpus"
            )
        if self.grid.sample_rate != corpus.sample_rate:
            raise LaminaError(
                f"the units lie on an axis of {self.grid.sample_rate} Hz, corpus {corpus.name} on one of "
                f"{corpus.sample_rate} Hz; label the corpus again"
            )
        for utterance in utterances:
            self.of(utterance)

    def check_rate(self, grid: Grid, level: int) -> None:
        """Raise `LaminaError` unless the period of ``grid`` or that of these units is a multiple of the other.

        Else most frames would lie between two units.
        """
        ratio = grid.stride / self.grid.stride
        if ratio.numerator != 1 and ratio.denominator != 1:
            raise LaminaError(
                f"level {level} has a frame every {grid.period_ms:g} ms, its units one every "
                f"{self.grid.period_ms:g} ms: neither divides the other; take units of a rate that does (MFCC: "
                "10 ms) or another label_rate_ratios, or give each level units of its own"
            )

    def write(self, path: Path) -> None:
        """Write one safetensors file, atomically."""
        meta = {
            "ids": self.ids,
            "grid": self.grid.to_json(),
            "clusters": self.clusters,
            "corpus": self.corpus,
            "features": self.features,
            "codebook": self.codebook,
            "longest": self.longest,
        }
        _write(path, "units", {"labels": self.labels, "offsets": self.offsets}, meta)

    @classmethod
    def read(cls, path: Path) -> Units:
        """Read what `write` wrote: a file, or the folder of a units run.

        Raises:
            LaminaError: the file is missing, cut short, or holds no units.
        """

        def make(arrays: dict[str, NDArray[Any]], meta: dict[str, Any]) -> Units:
            meta |= {"ids": tuple(meta["ids"]), "grid": Grid.from_json(meta["grid"])}
            return cls(labels=arrays["labels"], offsets=arrays["offsets"], **meta)

        return _read(path / UNITS_FILE if path.is_dir() else path, "units", make)


def normalised(states: Tensor, how: Normalise) -> Tensor:
    """One utterance's states (frames, width) as k-means sees them."""
    if how == "none":
        return states
    deviation, mean = torch.std_mean(states, dim=0, correction=0)
    # A feature that never changes becomes 0, not noise blown up.
    return (states - mean) / torch.where(deviation > 1e-5 * (1 + mean.abs()), deviation, torch.inf)


def _write(path: Path, kind: str, arrays: dict[str, NDArray[Any]], meta: dict[str, Any]) -> None:
    meta = {"kind": kind, "format": FORMAT, **meta, "digest": _sealed(arrays, meta)}
    with replacing(path) as beside:
        save_file(arrays, beside, {"lamina": json.dumps(meta)})


def _read(path: Path, kind: str, make: Callable[[dict[str, NDArray[Any]], dict[str, Any]], T]) -> T:
    """What ``make`` makes of arrays and settings; whatever it raises says that the file is damaged."""
    remedy = (
        f"`lamina units {'fit' if kind == 'codebook' else 'label'}` makes one; check the path, or make it again"
    )
    with reading(path, what=kind, remedy=remedy), safe_open(path, framework="numpy") as file:
        meta = parse_json((file.metadata() or {}).get("lamina", "{}"), str(path), remedy=remedy)
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (safe_open is no dict)
        if meta.pop("kind", None) != kind or meta.pop("format", None) != FORMAT:
            raise LaminaError(f"{path} holds no {kind} of format {FORMAT}; make it again with this version")
        if meta.pop("digest", None) != _sealed(arrays, meta):
            raise LaminaError(f"{path} was changed since it was written: copy it again, or make it again")
        return make(arrays, meta)


def _sealed(arrays: dict[str, NDArray[Any]], meta: dict[str, Any]) -> str:
    """Changes when a bit of what is kept does."""
    held = {
        name: [str(each.dtype), each.shape, hashlib.sha256(each.tobytes()).hexdigest()]
        for name, each in arrays.items()
    }
    return digest([held, meta], length=64)
