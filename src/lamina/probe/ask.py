"""From questions that need no training to rows of scores: each tap at its own rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isnan

from lamina.corpus.corpus import Corpus, Utterance
from lamina.encoders.encoder import Encoder
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig
from lamina.probe.free import Column, Question, Reading, Say
from lamina.probe.layers import Group, chosen, groups
from lamina.probe.rows import Resampled, Rows
from lamina.probe.store import Store, Want
from lamina.probe.task import find_task
from lamina.score import Score, Scores
from lamina.stats.inference import Replicates


@dataclass(frozen=True)
class Asked:
    """One question, and the taps that answer it.

    Attributes:
        reading: what is asked.
        question: the same of one corpus.
        groups: taps of one width and grid.
    """

    reading: Reading
    question: Question
    groups: Sequence[Group]

    @property
    def taps(self) -> int:
        """How many taps answer."""
        return sum(len(group.taps) for group in self.groups)

    def wants(self) -> dict[str, tuple[Want, list[Utterance]]]:
        """The states that are read."""
        question, made = self.question, {}
        for number, group in enumerate(self.groups):
            name = f"{self.reading.name}-{number}"
            made[name] = (Want(question.rows, group, question.segments, name), question.utterances)
        return made

    def _columns(self, stores: Mapping[str, Store]) -> Iterator[Column]:
        for number, group in enumerate(self.groups):
            for place, tap in enumerate(group.taps):
                yield Column(tap, stores[f"{self.reading.name}-{number}"], place)

    def scores(
        self, stores: Mapping[str, Store], rows: Rows, tell: Callable[[int], None]
    ) -> tuple[Scores, Replicates]:
        """The rows of all taps, and their resamples by ``tap|measure|target``."""
        made, replicates = [], Replicates()
        best = float("nan")
        picked: list[tuple[Score, Resampled]] = []
        for done, column in enumerate(self._columns(stores)):
            tell(done)
            told = [
                rows.answered(self.reading.name, self.question, column.tap, measure, answer)
                for measure, answer in self.question.answers(column).items()
            ]
            made += [row for row, _ in told]
            for row, drawn in told:
                replicates.put(row.key, *drawn)
            value = self.question.select(column) if self.question.selects else float("nan")
            if not isnan(value) and not best >= value:
                best, picked = value, told
        for row, drawn in picked:
            made.append(rows.picked(row))
            replicates.put(made[-1].key, *drawn)
        return Scores(made), replicates


def asked(encoder: Encoder, corpus: Corpus, config: ProbeConfig, support: Sequence[Grid], say: Say) -> list[Asked]:
    """The questions among the tasks of a config.

    Raises:
        LaminaError: the corpus lacks what one needs, or SUPERB has no such task.
    """
    found = []
    for name in dict.fromkeys(config.tasks):
        reading = find_task(name)
        if not isinstance(reading, Reading):
            continue
        if config.protocol == "superb":
            if not reading.superb:
                raise LaminaError(f"SUPERB has no task {name!r}: use `--protocol lamina` for it")
            for weakness in reading.weaknesses:
                say(f"{name}, protocol superb: {weakness}")
        # A weighted sum has nothing to be trained by: every tap answers for itself.
        layers = "each" if config.layers == "weighted" else config.layers
        own = groups(encoder, config.model_copy(update={"layers": layers}))
        grids = list(dict.fromkeys([*(tap.grid for tap in chosen(encoder, config)), *support]))
        found.append(Asked(reading, reading.ask(corpus, config, grids, say), own))
    return found
