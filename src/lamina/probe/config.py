"""How an encoder is probed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lamina.config import Config

RATES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
SUPERB_RATES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)  # five of s3prl's range 1e-1 … 1e-7


class ProbeConfig(Config):
    """How an encoder is probed. Where a field is 0 or empty, the task and the protocol say (`lamina probe list`).

    Attributes:
        tasks: which tasks, by name.
        taps: which taps, all where empty.
        layers: ``weighted``: one head on a learned weighted sum of the taps; ``each``: a head a tap;
            ``blocks``: a head a block's output (the last tap of each block).
        grid: frames of the weighted sum of taps at several rates: those of the finest tap or of the coarsest.
        protocol: ``lamina`` or ``superb``.
        heads: which of a task's heads, all where empty; ``superb`` has one.
        rates: learning rates to search.
        seeds: of the heads' first weights; a score is the mean over them.
        steps: of training, at most.
        every: steps between two looks at the dev part.
        patience: a head stops where it was not better in so many looks; 0 never stops early.
        batch: examples a step.
        most_minutes: at most so much audio is trained on (whole utterances, drawn by ``seed``); 0 takes all.
        most_labels: phones, syllables and words: only the most frequent of the train part are classes.
        least_count: and only those with so many segments there.
        trials: pairs made a part for speaker verification where the corpus has no trial list.
        collar_ms: what diarization error forgives on each side of a reference boundary.
        memory_gib: states that need more are kept in the run folder's cache.
        batch_seconds: the most padded audio in a batch of the encoder.
        chunk_seconds: longer utterances are read in pieces of at most so much (`lamina.corpus.pieces`); 0 reads
            them whole.
        lexicon: ``pr``: a file of pronunciations (``WORD P1 P2 …``) for the phones of transcripts; the
            phones that were aligned where empty.
        folds: of speakers, where the corpus has no train and test split.
        replicates: resamples for intervals.
        seed: of splits, subsets and resampling.
    """

    tasks: tuple[str, ...] = Field(("pr", "word", "sid"), min_length=1)
    taps: tuple[str, ...] = ()
    layers: Literal["weighted", "each", "blocks"] = "weighted"
    grid: Literal["fine", "coarse"] = "fine"
    protocol: Literal["lamina", "superb"] = "lamina"
    heads: tuple[str, ...] = ()
    rates: tuple[float, ...] = ()
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1)
    steps: int = Field(0, ge=0, le=10**9)
    every: int = Field(0, ge=0, le=10**9)
    patience: int = Field(5, ge=0)
    batch: int = Field(0, ge=0, le=100_000)
    most_minutes: float = Field(0.0, ge=0)
    most_labels: int = Field(500, ge=2)
    least_count: int = Field(5, ge=1)
    trials: int = Field(2000, ge=2)
    collar_ms: float = Field(0.0, ge=0)
    memory_gib: float = Field(4.0, gt=0)
    batch_seconds: float = Field(40.0, gt=0)
    chunk_seconds: float = Field(60.0, ge=0)
    lexicon: str = ""
    folds: int = Field(5, ge=2, le=10_000)
    replicates: int = Field(1000, ge=2)
    seed: int = 0
