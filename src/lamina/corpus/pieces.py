"""Long audio in pieces: an hour in one file is read as utterances that fit into memory, and into any encoder.

A piece ends in the widest pause of its alignments, where nothing is lost and context counts least. Where there is
none, it ends where the fewest segments lie, and those are left out and counted; without alignments pieces are
equally long. Speaker, split and labels of a piece are those of the whole, its text the words that lie in it.
Encoders see one piece at a time, so states near a seam lack the sound beyond it (docs/encoders.md has figures).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lamina.corpus.corpus import Corpus, Segment, Utterance, columns, phone_map_of
from lamina.corpus.trials import TRIALS
from lamina.errors import LaminaError
from lamina.files import digest


class Pieces:
    """A corpus whose utterances longer than ``most`` samples are read in pieces; see `in_pieces`.

    Attributes:
        notes: how many utterances became how many pieces, and what was left out.
    """

    def __init__(self, corpus: Corpus, most: int) -> None:
        self.name, self.sample_rate = corpus.name, corpus.sample_rate
        self.digest = digest([corpus.digest, "pieces", most])
        self.phone_map = phone_map_of(corpus)
        self._corpus = corpus
        self._cuts: dict[str, tuple[int, ...]] = {}
        self._whole: dict[str, tuple[Utterance, int]] = {}
        self._count = 0
        left, wordless, known = Counter[str](), 0, set[str]()
        for utterance in corpus.utterances():
            known.add(utterance.id)
            if utterance.samples > most:
                self._cuts[utterance.id] = _cuts(utterance, most)
                left.update(_spanning(utterance, self._cuts[utterance.id]))
                wordless += bool(utterance.text) and "word" not in utterance.tiers
                for start, piece in self._of(utterance):
                    self._whole[piece.id] = (replace(utterance, tiers={}, text=""), start)
            else:
                self._count += 1
        self._count += len(self._whole)
        if twice := known.intersection(self._whole):
            raise LaminaError(f"{corpus.name}: {min(twice)} is an utterance and a piece of one: rename it")
        seconds = most / corpus.sample_rate
        told = [f"{len(self._cuts)} of {len(known)} utterances are longer than {seconds:g} s"]
        told[0] += f": read in {len(self._whole)} pieces, cut in pauses where alignments show them"
        told += [f"{count} {tier} segments lie across a cut and are left out" for tier, count in left.items()]
        if wordless:
            told.append(f"{wordless} of them have a text without times: their pieces have none")
        self.notes = tuple(told)

    def __len__(self) -> int:
        """The number of utterances, pieces counted each."""
        return self._count

    def utterances(self, split: str | None = None) -> Iterator[Utterance]:
        """The utterances of a split (of all where None), pieces in the place of what is long."""
        for utterance in self._corpus.utterances(split):
            if utterance.id in self._cuts:
                yield from (piece for _, piece in self._of(utterance))
            else:
                yield utterance

    def read(self, utterance: Utterance, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """See `lamina.corpus.corpus.Corpus.read`; of a long file only the piece is read."""
        whole, first = self._whole.get(utterance.id, (utterance, 0))
        return self._corpus.read(whole, first + start, first + (utterance.samples if stop is None else stop))

    def _of(self, utterance: Utterance) -> Iterator[tuple[int, Utterance]]:
        """The pieces of a long utterance, and where each starts."""
        edges = [0, *self._cuts[utterance.id], utterance.samples]
        for number, (start, stop) in enumerate(pairwise(edges)):
            tiers = {name: _within(utterance, name, start, stop) for name in utterance.tiers}
            text = " ".join(segment.label for segment in tiers.get("word", ()))
            name = f"{utterance.id}-{number:03d}"
            yield start, replace(utterance, id=name, samples=stop - start, text=text, tiers=tiers)


def in_pieces(corpus: Corpus, seconds: float, window: int = 0, *, listed: bool = False) -> Corpus:
    """The corpus, what is longer than ``seconds`` in pieces; the same corpus where nothing is.

    Args:
        corpus: any.
        seconds: the longest piece; 0 cuts nothing but what ``window`` asks for.
        window: samples that an encoder takes at most (Whisper's), 0 for no such limit.
        listed: whether a list names utterances and times, which pieces would not have: nothing is cut then; nor
            where the corpus has a list of trials.
    """
    limits = [round(seconds * corpus.sample_rate), window]
    most = min((limit for limit in limits if limit), default=0)
    folder = getattr(corpus, "folder", None)
    listed = listed or (isinstance(folder, str | Path) and (Path(folder) / TRIALS).is_file())
    if not most or listed or all(utterance.samples <= most for utterance in corpus.utterances()):
        return corpus
    return Pieces(corpus, most)


def notes_of(corpus: Corpus) -> tuple[str, ...]:
    """What is to be said of pieces; nothing where there are none."""
    return corpus.notes if isinstance(corpus, Pieces) else ()


def _within(utterance: Utterance, tier: str, start: int, stop: int) -> tuple[Segment, ...]:
    """The segments of a tier that lie in a stretch as a whole, counted from its start."""
    labels, onsets, offsets = columns(utterance.tiers, tier)
    some = range(bisect_left(onsets, start), bisect_right(offsets, stop))  # sorted, none overlaps another
    return tuple(Segment(labels[at], onsets[at] - start, offsets[at] - start) for at in some)


def _cuts(utterance: Utterance, most: int) -> tuple[int, ...]:
    """Where an utterance is cut: no piece is longer than ``most`` samples, or shorter than an eighth of that."""
    tiers = [columns(utterance.tiers, name)[1:] for name in utterance.tiers]
    spans = _union(tiers)
    cuts, at = [], 0
    while utterance.samples - at > most:
        rest = utterance.samples - at
        low, high = at + most // 2, min(at + most, utterance.samples - most // 8)
        ideal = at + rest // -(-rest // most)
        if not spans:
            cut = ideal
        elif pauses := _pauses(spans, low, high):
            start, stop = max(pauses, key=lambda pause: (pause[1] - pause[0], -abs(sum(pause) // 2 - ideal)))
            cut = (start + stop) // 2
        else:
            edges = {edge for tier in tiers for side in tier for edge in side if low <= edge <= high} or {ideal}
            cut = min(
                edges, key=lambda edge: (sum(_across(tier, edge) for tier in tiers), abs(edge - ideal), edge)
            )
        cuts.append(cut)
        at = cut
    return tuple(cuts)


def _union(tiers: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[tuple[int, int]]:
    """Where any tier has a segment: spans in order, none touching another."""
    made: list[tuple[int, int]] = []
    for onset, offset in sorted(pair for tier in tiers for pair in zip(*tier, strict=True)):
        if made and onset <= made[-1][1]:
            made[-1] = (made[-1][0], max(made[-1][1], offset))
        else:
            made.append((onset, offset))
    return made


def _pauses(spans: Sequence[tuple[int, int]], low: int, high: int) -> list[tuple[int, int]]:
    """The stretches of ``[low, high]`` that no span has a sample of."""
    place = bisect_left(spans, (low, -1))
    ends = [spans[place - 1][1]] if place else []
    near = spans[place : bisect_right(spans, (high, high))]
    starts = [start for start, _ in near]
    stops = [max(low, *ends) if ends else low, *(stop for _, stop in near)]
    return [(start, stop) for start, stop in zip(stops, [*starts, high], strict=True) if start < stop]


def _across(tier: tuple[Sequence[int], Sequence[int]], edge: int) -> bool:
    """Whether a segment of a tier begins before and ends after an edge."""
    onsets, offsets = tier
    place = bisect_left(onsets, edge) - 1
    return place >= 0 and offsets[place] > edge


def _spanning(utterance: Utterance, cuts: Sequence[int]) -> Counter[str]:
    """How many segments of each tier lie across a cut: they are in no piece."""
    found = Counter[str]()
    for name in utterance.tiers:
        _, onsets, offsets = columns(utterance.tiers, name)
        places = {bisect_left(onsets, cut) - 1 for cut in cuts if _across((onsets, offsets), cut)}
        found[name] += len(places)
    return +found
