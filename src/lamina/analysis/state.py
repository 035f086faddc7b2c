"""All that is decided before the audio is read, and what accumulates while it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.gather import Gather
from lamina.analysis.published import published_roles
from lamina.analysis.questions import Source, find_source, full_name, is_frames, plan_readings, plan_targets
from lamina.analysis.readings import Reading
from lamina.analysis.roles import Roles, plan_roles
from lamina.analysis.sums import Sums
from lamina.analysis.targets import Target
from lamina.corpus.batches import Batch, plan
from lamina.corpus.corpus import Corpus, Utterance
from lamina.encoders.encoder import Encoder, States, Tap, find_taps, window_samples
from lamina.errors import LaminaError
from lamina.files import digest, file_digest
from lamina.grid import Grid


@dataclass
class Sweep:
    """All that is decided before the audio is read, and what accumulates while it is.

    Args:
        encoder: what is read.
        corpus: speech with tiers, at the encoder's sample rate.
        config: what is measured.
        support: a segment counts if all these grids, and those of the taps, see it.
        others: encoders by name that targets may name.

    Raises:
        LaminaError: sample rates differ, a tap is unknown, or no target can be asked.
    """

    encoder: Encoder
    corpus: Corpus
    config: AnalysisConfig
    support: Sequence[Grid] = ()
    others: Mapping[str, Encoder] = field(default_factory=dict)

    taps: tuple[Tap, ...] = field(init=False)
    roles: Roles = field(init=False)
    targets: dict[str, Target] = field(init=False)
    sources: dict[str, Source] = field(init=False)
    window: int = field(init=False)
    readings: list[Reading] = field(init=False)
    phases: list[list[tuple[Utterance, ...]]] = field(init=False)
    notes: list[str] = field(init=False)

    def __post_init__(self) -> None:
        encoder, config = self.encoder, self.config
        _check_rates(encoder, self.corpus, self.support)
        self.taps = find_taps(encoder, config.taps)
        names = [full_name(target, encoder) for target in config.targets]
        self.sources = {name: find_source(name, encoder, self.others) for name in names if is_frames(name)}
        grids = tuple(dict.fromkeys([*self.support, *(tap.grid for tap in self.taps)]))
        needed = [*grids, *(source.tap.grid for source in self.sources.values())]
        self.roles = (
            published_roles(self.corpus, needed)
            if config.protocol == "pasad"
            else plan_roles(
                self.corpus, needed, folds=config.folds, seed=config.seed, max_groups=config.max_groups
            )
        )
        self.notes = list(self.roles.notes)
        self.targets = plan_targets(config, self.roles, grids, self.notes)
        self.notes += [
            f"target {name!r}: one tap has no other to compare with"
            for name, source in self.sources.items()
            if source.encoder is None and self.taps == (source.tap,)
        ]
        self.readings = plan_readings(self.taps, self.targets, self.sources, self.roles, grids, config)
        if not self.readings:
            why = "; ".join(self.notes[len(self.roles.notes) :])
            raise LaminaError(f"nothing can be measured on {self.corpus.name}: {why}")
        samples = round(config.batch_seconds * self.corpus.sample_rate)
        read = [encoder, *(source.encoder for source in self.sources.values() if source.encoder is not None)]
        self.window = max(map(window_samples, read))
        self.phases = [
            list(plan(role, samples, self.window)) for role in (self.roles.fit, self.roles.score) if role
        ]

    @cached_property
    def digest(self) -> str:
        """Changes when anything changes that decides on the sums, with what files hold and Lamina's version."""
        groups = [[utterance.id for utterance in group] for phase in self.phases for group in phase]
        about = [self.config.to_json(), self.encoder.digest, self.corpus.digest, groups]
        others = [source.encoder.digest for source in self.sources.values() if source.encoder is not None]
        files = [
            file_digest(Path(path)) for path in (self.config.word_vectors, self.config.sentence_pairs) if path
        ]
        grids = [grid.to_json() for grid in self.support]
        return digest([*about, others, files, grids, metadata.version("lamina")])

    def read(self, batch: Batch, *, fitting: bool) -> None:
        """Take one batch."""
        others: dict[str, States] = {}
        own: dict[str, list[str]] = {}  # which targets are states of a tap of this encoder
        for name, source in self.sources.items():
            if source.encoder is not None:
                others[name] = next(iter(source.encoder.states(batch.waves, batch.lengths, [source.tap.name])))
            else:
                own.setdefault(source.tap.name, []).append(name)
        first = min(tap.depth for tap in self.taps)
        late = [tap for tap, (name, *_) in own.items() if self.sources[name].tap.depth > first]
        if late:  # taps before it need it: a pass of its own
            for states in self.encoder.states(batch.waves, batch.lengths, late):
                others |= dict.fromkeys(own[states.tap.name], states)
        gather = Gather(batch, self.roles, self.targets, others, fitting=fitting)
        by_tap: dict[str, list[Reading]] = {name: [] for name in own if name not in late}
        for reading in self.readings:
            by_tap.setdefault(reading.tap.name, []).append(reading)
        for states in self.encoder.states(batch.waves, batch.lengths, list(by_tap)):
            if states.tap.name not in late:
                others |= dict.fromkeys(own.get(states.tap.name, ()), states)
            for reading in by_tap[states.tap.name]:
                rows = gather.rows(reading.view, states)
                reading.take(rows.pool.mean(states.values), rows, fitting=fitting)

    def settle(self, *, folded: bool) -> None:
        """Fix directions and codebooks of the ``folded`` readings, or of the others."""
        for reading in self.readings:
            if reading.roles.folded == folded:
                reading.settle(self.config.ridges, seed=self.config.seed)

    def sums(self, *, folded: bool | None = None) -> dict[str, Sums]:
        """What has accumulated, of all readings or of the ``folded`` or the other ones."""
        return {
            f"{number}|{key}": held
            for number, reading in enumerate(self.readings)
            if folded is None or reading.roles.folded == folded
            for key, held in reading.sums.items()
        }

    def put(self, sums: Mapping[str, Sums]) -> None:
        """Go on from sums that were kept."""
        found: dict[int, dict[str, Sums]] = {}
        for name, held in sums.items():
            number, _, key = name.partition("|")
            found.setdefault(int(number), {})[key] = held
        for place, mine in found.items():
            self.readings[place].sums = mine


def _check_rates(encoder: Encoder, corpus: Corpus, support: Sequence[Grid]) -> None:
    if corpus.sample_rate != encoder.sample_rate:
        raise LaminaError(
            f"{corpus.name} is at {corpus.sample_rate} Hz, {encoder.name} takes {encoder.sample_rate} Hz: open "
            "the corpus at the encoder's rate"
        )
    for grid in support:
        if grid.sample_rate != corpus.sample_rate:
            raise LaminaError(
                f"a grid of the support counts {grid.sample_rate} samples a second, {corpus.name} has "
                f"{corpus.sample_rate}: compare encoders of one sample rate"
            )
