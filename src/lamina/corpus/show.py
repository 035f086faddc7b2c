"""One page about a corpus: how much, of whom, with which labels, and whether alignments fit what is seen."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lamina.corpus.corpus import Corpus, Utterance
from lamina.corpus.pictures import INK, figure, inline, png, spectrogram
from lamina.corpus.stored import SAMPLE_RATE, StoredCorpus
from lamina.corpus.voices import speakers_of
from lamina.errors import LaminaError
from lamina.files import check_folder, write_text
from lamina.markup import escaped, policy

PAGE = "index.html"
SPECTROGRAMS, SECONDS, COMMON = 6, 2.5, 24
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 1080px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em; border-bottom: 1px solid #ddd }
table { border-collapse: collapse; margin: .5em 0 } td, th { padding: .15em .8em .15em 0; text-align: left }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums }
.labels { columns: 4; list-style: none; padding: 0 } .labels b { font-weight: 600 }
img, svg { max-width: 100%; height: auto } .note { color: #666 }
"""


@dataclass
class _Facts:
    """What one pass over the manifest counts; nothing in it grows with the audio."""

    hours: Counter[str] = field(default_factory=Counter)  # samples by split
    utterances: Counter[str] = field(default_factory=Counter)
    speakers: dict[str, Counter[str]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    tiers: dict[str, Counter[str]] = field(default_factory=dict)
    lengths: dict[str, list[float]] = field(default_factory=dict)
    labels: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, utterance: Utterance) -> None:
        self.hours[utterance.split] += utterance.samples
        self.utterances[utterance.split] += 1
        self.seconds.append(utterance.samples / SAMPLE_RATE)
        for speaker in speakers_of(utterance):
            self.speakers.setdefault(speaker, Counter())[utterance.split] += utterance.samples
        for name, tier in utterance.tiers.items():
            self.tiers.setdefault(name, Counter()).update(segment.label for segment in tier)
            lengths = self.lengths.setdefault(name, [])
            if len(lengths) < 100_000:
                lengths += [(segment.offset - segment.onset) / SAMPLE_RATE for segment in tier]
        for name, value in utterance.labels.items():
            self.labels.setdefault(name, Counter())[value] += 1


def show(corpus: StoredCorpus, folder: Path) -> Path:
    """Write ``index.html`` into ``folder``: one page that needs no other file.

    Raises:
        LaminaError: the folder cannot be written.
    """
    check_folder(folder)
    facts = _Facts()
    step = max(1, len(corpus) // SPECTROGRAMS)
    chosen: list[Utterance] = []
    for place, utterance in enumerate(corpus.utterances()):
        facts.add(utterance)
        if place % step == step // 2 and len(chosen) < SPECTROGRAMS:
            chosen.append(utterance)
    hours = sum(facts.hours.values()) / SAMPLE_RATE / 3600
    summary = f"{len(corpus):,} utterances, {hours:.2f} hours, {len(facts.speakers):,} speakers"
    parts = [
        f"<h1>{escaped(corpus.name)}</h1>",
        f'<p class="note">{summary}; digest {corpus.digest}</p>',
        *(f'<p class="note">{escaped(note)}</p>' for note in corpus.notes),
        _splits(facts),
        f"<h2>Durations</h2>{_durations(facts)}",
        "<h2>Do the boundaries fit?</h2>",
        *(_picture(corpus, utterance) for utterance in chosen),
        f"<h2>Speakers</h2>{_speakers(facts)}",
        *(f"<h2>Tier: {escaped(name)}</h2>{_counts(counts)}" for name, counts in facts.tiers.items()),
        *(f"<h2>Label: {escaped(name)}</h2>{_counts(counts)}" for name, counts in facts.labels.items()),
    ]
    path = folder / PAGE
    write_text(
        path,
        f'<!doctype html><html lang="en"><meta charset="utf-8">{policy()}<title>{escaped(corpus.name)}</title>'
        f"<style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n",
    )
    return path


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers."""

    def line(kind: str, cells: Sequence[str]) -> str:
        first, *others = (escaped(cell) for cell in cells)
        tail = "".join(f'<{kind} class="number">{cell}</{kind}>' for cell in others)
        return f"<tr><{kind}>{first}</{kind}>{tail}</tr>"

    return f"<table>{line('th', head)}{''.join(line('td', row) for row in rows)}</table>"


def _splits(facts: _Facts) -> str:
    rows = [
        (
            split or "(no split)",
            f"{facts.utterances[split]:,}",
            f"{samples / SAMPLE_RATE / 3600:.2f}",
            f"{sum(split in where for where in facts.speakers.values()):,}",
        )
        for split, samples in facts.hours.items()
    ]
    return _table(("split", "utterances", "hours", "speakers"), rows)


def _speakers(facts: _Facts) -> str:
    by_time = sorted(facts.speakers.items(), key=lambda item: -sum(item[1].values()))
    rows = [
        (name or "(none)", f"{sum(where.values()) / SAMPLE_RATE / 60:.1f}", ", ".join(filter(None, where)) or "-")
        for name, where in by_time[:COMMON]
    ]
    rest = len(by_time) - COMMON
    more = f'<p class="note">and {rest:,} more speakers, each with less</p>' if rest > 0 else ""
    return _table(("speaker", "minutes", "splits"), rows) + more


def _counts(counts: Counter[str]) -> str:
    items = "".join(
        f"<li><b>{escaped(label)}</b> {count:,}</li>" for label, count in counts.most_common(COMMON * 2)
    )
    rest = len(counts) - COMMON * 2
    more = f'<p class="note">and {rest:,} rarer ones</p>' if rest > 0 else ""
    return (
        f'<p class="note">{sum(counts.values()):,} in all, {len(counts):,} different</p>'
        f'<ul class="labels">{items}</ul>{more}'
    )


def _durations(facts: _Facts) -> str:
    kinds = [
        ("utterance", facts.seconds),
        *((name, lengths) for name, lengths in facts.lengths.items() if lengths),
    ]
    kinds = kinds[:4]
    drawn, axes = figure(1, len(kinds), size=(2.9 * len(kinds), 2.3))
    for axis, (name, lengths) in zip(np.atleast_1d(axes), kinds, strict=True):
        top = float(np.quantile(lengths, 0.995))
        axis.hist(np.minimum(lengths, top), bins=30, color=INK)
        axis.set_title(f"{name}: median {np.median(lengths):.3g} s", fontsize=9, parse_math=False)
        axis.set_xlabel("seconds", fontsize=8)
        axis.tick_params(labelsize=7)
    return inline(drawn)


def _picture(corpus: Corpus, utterance: Utterance) -> str:
    tier = next((name for name in ("phone", "syllable", "word") if utterance.tiers.get(name)), "")
    tier = tier or next((name for name, segments in utterance.tiers.items() if segments), "")
    drawn, axes = figure(1, 1, size=(10, 2.2))
    try:
        spectrogram(axes, corpus, utterance, tier, seconds=SECONDS)
    except LaminaError as error:
        return f'<p class="note">{escaped(utterance.id)}: {escaped(error)}</p>'
    said = escaped(utterance.text)
    picture = base64.b64encode(png(drawn)).decode()
    about = f"spectrogram of {escaped(utterance.id)}"
    return f'<p>{said}<br><img alt="{about}" src="data:image/png;base64,{picture}"></p>'
