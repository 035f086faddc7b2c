"""All that is decided before the audio is read, and what accumulates while it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import metadata
from pathlib import Path

from torch import Tensor

from lamina.analysis.config import FAMILIES, USUAL, AnalysisConfig
from lamina.analysis.instruments.instrument import Instrument
from lamina.analysis.protocol import Rules
from lamina.analysis.published import PROTOCOLS
from lamina.analysis.reading import Reading
from lamina.analysis.rows import Gather, Rows, Way
from lamina.analysis.source import StateSource
from lamina.analysis.sums import NEVER, First, memory
from lamina.analysis.targets import kinds_of
from lamina.analysis.targets.labels import are_numbers
from lamina.analysis.targets.target import Basis, Heard, Target
from lamina.analysis.watch import Watch
from lamina.corpus.batches import Batch, plan
from lamina.corpus.corpus import Corpus, Utterance
from lamina.corpus.pieces import in_pieces, notes_of
from lamina.corpus.splits import Roles
from lamina.device import out_of_memory
from lamina.encoders.encoder import Encoder, States, Tap, find_taps, window_samples
from lamina.errors import LaminaError
from lamina.files import digest, file_digest
from lamina.grid import Grid
from lamina.measures import TABLE, family, spelled_out
from lamina.stats.archive import Statistic

GIB = 2**30
HALVED = "a batch did not fit into the GPU's memory and was read in halves: --batch-seconds makes all smaller"
Asked = list[tuple[Target, list[type[Instrument]]]]


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
        LaminaError: sample rates differ, a tap is unknown, no target can be asked, or the sums would need more
            memory than the config allows.
    """

    encoder: Encoder
    corpus: Corpus
    config: AnalysisConfig
    support: Sequence[Grid] = ()
    others: Mapping[str, Encoder] = field(default_factory=dict)

    taps: tuple[Tap, ...] = field(init=False)
    roles: Roles = field(init=False)
    targets: list[Target] = field(init=False)
    sources: dict[str, Heard] = field(init=False)
    window: int = field(init=False)
    readings: list[Reading] = field(init=False)
    phases: list[list[tuple[Utterance, ...]]] = field(init=False)
    notes: list[str] = field(init=False)
    watch: Watch = field(init=False, default_factory=Watch)

    def __post_init__(self) -> None:
        encoder, config = self.encoder, self.config
        _check_rates(encoder, self.corpus, self.support)
        rules = PROTOCOLS[config.protocol].rules
        self.taps = find_taps(encoder, config.taps)
        heard = {
            name: kind.reads(name, encoder, self.others)
            for name in config.targets
            for kind in kinds_of(name, rules.targets)
        }
        found = {name: each for name, each in heard.items() if each is not None}
        read = [encoder, *(other for other, _ in found.values() if other is not None)]
        self.window = max(map(window_samples, read))
        longest = min(filter(None, map(window_samples, read)), default=0)
        listed = bool(config.items or config.sentence_pairs)
        self.corpus = in_pieces(self.corpus, config.chunk_seconds, longest, listed=listed)
        grids = tuple(dict.fromkeys([*self.support, *(tap.grid for tap in self.taps)]))
        least = max(grid.least_samples for grid in (*grids, *(tap.grid for _, tap in found.values())))
        self.roles = rules.roles(self.corpus, least, config)
        basis = Basis(self.corpus, self.roles, grids, config, encoder, found)
        self.notes = [*notes_of(self.corpus), *self.roles.notes]
        told = len(self.notes)
        asked = _asked(rules, basis, self.notes)
        self.targets = [target for target, _ in asked]
        self.sources = {each.name: each.source for each in self.targets if each.source is not None}
        self.notes += [
            f"target {target.name!r}: one tap has no other to compare with"
            for target in self.targets
            if not any(map(target.fits, self.taps))
        ]
        self.readings = list(self._readings(asked, basis))
        if not self.readings:
            why = "; ".join(self.notes[told:])
            raise LaminaError(f"nothing can be measured on {self.corpus.name}: {why}")
        samples = round(config.batch_seconds * self.corpus.sample_rate)
        *first, last = (role for role in (self.roles.fit, self.roles.score) if role)
        # Trials and item files may be of utterances that are neither fitted on nor scored.
        known = {utterance.id for role in (*first, last) for utterance in role}
        more = {one.id: one for target in self.targets for one in target.roles.fit if one.id not in known}
        self.phases = [list(plan(role, samples, self.window)) for role in (*first, (*last, *more.values()))]
        self._order = [one.id for role in (*first, last) for one in role] + list(more)
        self._source = StateSource(
            self.corpus, self.phases[0][0][0], {one: k for k, one in enumerate(self._order)}
        )

    def _readings(self, asked: Asked, basis: Basis) -> Iterator[Reading]:
        """Every tap against every target, in every way that is asked for; as long as memory allows."""
        coarsest, size, most = basis.matched, 0, self.config.memory_gib * GIB
        for tap in self.taps:
            rates: list[Grid | None] = [None]
            if coarsest is not None and tap.grid.stride < coarsest.stride:
                rates = [None, coarsest]
            for target, kinds in asked:
                ways = [Way(pooling, rate) for rate in rates for pooling in target.poolings]
                for way in ways if target.fits(tap) else ():
                    instruments = [kind(tap, way, target, self.config) for kind in kinds]
                    made = Reading(tap, way, target, instruments)
                    size += memory(made.sums)
                    if size > most:
                        raise LaminaError(
                            f"what is summed of {self.encoder.name} on {self.corpus.name} needs more than "
                            f"`memory_gib` = {most / GIB:g}: read fewer taps (`taps`), targets or poolings at a "
                            "time, keep fewer items (`max_sample`, `most_items`, `most_pairs`), or allow more"
                        )
                    yield made

    @cached_property
    def digest(self) -> str:
        """Changes when anything changes that decides on the sums, with what files hold and Lamina's version."""
        groups = [[utterance.id for utterance in group] for phase in self.phases for group in phase]
        about = [self.config.to_json(), self.encoder.digest, self.corpus.digest, groups]
        others = [encoder.digest for encoder, _ in self.sources.values() if encoder is not None]
        paths = (self.config.word_vectors, self.config.sentence_pairs, self.config.items)
        files = [file_digest(Path(path)) for path in paths if path]
        grids = [grid.to_json() for grid in self.support]
        return digest([*about, others, files, grids, metadata.version("lamina")])

    def read(self, batch: Batch, *, fitting: bool) -> None:
        """Take one batch; where a GPU has too little memory for it, in halves, which is noted once."""
        self._source.broken.clear()
        self._read(batch, fitting, set())

    def _read(self, batch: Batch, fitting: bool, taken: set[int]) -> None:
        """Take a batch at the readings that have not ``taken`` it."""
        try:
            for number, x, rows in self._rows(batch, fitting, frozenset(taken)):
                taken.add(number)
                self.readings[number].take(x, rows, fitting=fitting)
                del x
        except Exception as error:
            if len(batch.utterances) == 1 or not out_of_memory(error):
                raise
            if HALVED not in self.notes:
                self.notes.append(HALVED)
        else:
            return
        for half in batch.halves():
            self._read(half, fitting, set(taken))

    def _rows(self, batch: Batch, fitting: bool, taken: frozenset[int]) -> Iterator[tuple[int, Tensor, Rows]]:
        """The rows (n, width) of a batch, by number of the reading."""
        others: dict[str, States] = {}
        own: dict[str, list[str]] = {}  # which targets are states of a tap of this encoder
        for name, (encoder, tap) in self.sources.items():
            if encoder is not None:
                others[name] = next(self._source.states(encoder, batch, [tap.name]))
            else:
                own.setdefault(tap.name, []).append(name)
        first = min(tap.depth for tap in self.taps)
        late = [tap for tap, (name, *_) in own.items() if self.sources[name][1].depth > first]
        if late:  # taps before it need it: a pass of its own
            for states in self._source.states(self.encoder, batch, late):
                others |= dict.fromkeys(own[states.tap.name], states)
        gather = Gather(batch, others, fitting=fitting)
        by_tap: dict[str, list[int]] = {name: [] for name in own if name not in late}
        for number, reading in enumerate(self.readings):
            if number not in taken:
                by_tap.setdefault(reading.tap.name, []).append(number)
        for states in self._source.states(self.encoder, batch, list(by_tap)):
            if states.tap.name not in late:
                others |= dict.fromkeys(own.get(states.tap.name, ()), states)
            self.watch.see(states, batch.utterances)
            for number in by_tap[states.tap.name]:
                reading = self.readings[number]
                rows = gather.rows(reading.target, reading.way, states)
                source, tap = self.sources.get(reading.target.name, (None, reading.tap))
                for key in ((id(self.encoder), reading.tap.name), (id(source or self.encoder), tap.name)):
                    reading.broken += self._source.broken.get(key, First())
                yield number, rows.pool.mean(states.values), rows

    def settle(self, *, folded: bool) -> None:
        """Fix what was learned by the ``folded`` readings, or by the others; those that are broken give up."""
        for reading in self.readings:
            if reading.broken.place < NEVER:
                reading.give_up(self._order[reading.broken.place])
            elif reading.folded == folded:
                reading.settle()

    def sums(self, *, folded: bool | None = None) -> dict[str, Statistic]:
        """What has accumulated, of all readings or of the ``folded`` or the other ones."""
        return {
            f"{number}|{key}": held
            for number, reading in enumerate(self.readings)
            if folded is None or reading.folded == folded
            for key, held in reading.sums.items()
        }

    def put(self, sums: Mapping[str, Statistic]) -> None:
        """Go on from sums that were kept."""
        found: dict[int, dict[str, Statistic]] = {}
        for name, held in sums.items():
            number, _, key = name.partition("|")
            found.setdefault(int(number), {})[key] = held
        for place, mine in found.items():
            self.readings[place].sums = mine


def _asked(rules: Rules, basis: Basis, notes: list[str]) -> Asked:
    """The targets that can be asked, and the instruments of each; what cannot be asked is noted.

    Raises:
        LaminaError: one is asked, and it cannot be.
    """
    config, failed = basis.config, []
    asked: Asked = []
    reached: set[str] = set()
    for name in config.targets:
        kinds = kinds_of(name, rules.targets)
        numbers = any(kind.numeric for kind in kinds) and are_numbers(name, basis.roles)
        for kind in (each for each in kinds if not each.tiers or each.numeric == numbers):
            able = _able(rules, kind)
            wanted = [each for each in able if config.wants(*each.families)] or (able if kind.implied else [])
            reached.update(*(each.families for each in wanted))
            if not wanted:
                continue
            try:
                target = kind.plan(name, basis)
            except LaminaError as error:
                failed.append(error)
                notes.append(str(error))
                continue
            if target.name not in {each.name for each, _ in asked if type(each) is kind}:
                asked.append((target, wanted))
                notes.extend(target.notes)
    if config.measures != USUAL:
        known = frozenset(family(*reached))
        idle = [name for name in config.measures if known.isdisjoint(spelled_out([name], FAMILIES))]
        notes += [f"{name}: none of the targets {', '.join(config.targets)} is measured by it" for name in idle]
    if not asked and len(failed) == 1:
        raise failed[0]
    return asked


def _able(rules: Rules, kind: type[Target]) -> list[type[Instrument]]:
    """The instruments that can be asked of a kind of target."""
    return [each for each in rules.instruments if kind in each.takes or kind.alike in each.takes]


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


def measures_of(config: AnalysisConfig, target: str) -> tuple[str, ...]:
    """The measures that an analysis makes of a target, by name, in the order of the table."""
    rules = PROTOCOLS[config.protocol].rules
    found: set[str] = set()
    for kind in kinds_of(target, rules.targets):
        able = family(*(each for one in _able(rules, kind) for each in one.families))
        found.update(able if kind.implied else config.wanted.intersection(able))
    return tuple(each.name for each in TABLE if each.name in found)
