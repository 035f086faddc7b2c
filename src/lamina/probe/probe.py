"""Frozen encoder, small head: what can be learned from an encoder's states with how little.

States are read once (`lamina.probe.store`); the heads of a search (learning rates, seeds, taps) are trained side
by side on them (`lamina.probe.bank`); dev selects learning rate, weights and decoding; test is scored once.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from lamina.corpus.corpus import Corpus, Segment, Utterance, phone_map_of
from lamina.corpus.pieces import in_pieces, notes_of
from lamina.encoders.encoder import Encoder, window_samples
from lamina.errors import LaminaError
from lamina.files import check_folder, digest, file_digest, read_lines, write_text
from lamina.grid import Grid
from lamina.measures import EXPLAINS, find_measure
from lamina.probe.config import ProbeConfig
from lamina.probe.data import parts
from lamina.probe.layers import chosen, groups
from lamina.probe.rows import RowMaker
from lamina.probe.search import Job, schedule, search
from lamina.probe.store import Store, Want, read
from lamina.probe.task import MakeHead, Say, Task, find_task
from lamina.score import WEIGHTED, Score, Scores
from lamina.stats.inference import Replicates, read_replicates, rough, write_replicates


@dataclass(frozen=True)
class Probed:
    """What probing found.

    Attributes:
        scores: the rows.
        replicates: resampled values by `Score.key`, for differences.
        notes: what was left out, what was searched, and what a protocol is weak in.
    """

    scores: Scores
    replicates: Replicates = field(default_factory=Replicates)
    notes: tuple[str, ...] = ()


def probe(
    encoder: Encoder,
    corpus: Corpus,
    config: ProbeConfig,
    *,
    support: Sequence[Grid] | None = None,
    control: str = "",
    run_name: str = "",
    folder: Path | None = None,
    device: str = "cpu",
    progress: Callable[[int, int], None] | None = None,
    say: Say | None = None,
) -> Probed:
    """Probe a frozen encoder.

    Args:
        encoder: takes audio at the corpus's rate.
        corpus: carries what the tasks need.
        config: tasks and how.
        support: grids on which every example must have a frame, too: those of the other encoders of a comparison.
        control: the ``control`` column, such as ``untrained``.
        run_name: the ``run`` column.
        folder: where states and finished parts are kept, so that a stopped probe goes on; parts are those of the
            same encoder, corpus, settings and version only; None keeps nothing.
        device: where heads are trained.
        progress: told how much of all work (utterances read, steps trained) is done.
        say: told each note as it comes up.

    Returns:
        A row a task, head, tap (or weighted sum of taps) and measure, the mean over seeds, with its
        interval from resampling speakers (utterances where there is one); weights and norms of layers; the
        majority class.

    Raises:
        LaminaError: rates differ, labels are missing, or too little is left.
    """
    work = Probing(encoder, corpus, config, run_name, control, folder, device, progress, say)
    return work.run(tuple(support or ()))


class Probing:
    """One call of `probe`, whose arguments these are."""

    def __init__(
        self,
        encoder: Encoder,
        corpus: Corpus,
        config: ProbeConfig,
        run_name: str,
        control: str,
        folder: Path | None,
        device: str,
        progress: Callable[[int, int], None] | None,
        say: Say | None,
    ) -> None:
        if encoder.sample_rate != corpus.sample_rate:
            raise LaminaError(
                f"{encoder.name} takes audio at {encoder.sample_rate} Hz, the corpus {corpus.name} is at "
                f"{corpus.sample_rate} Hz: import the corpus at the encoder's rate"
            )
        if any(rate <= 0 for rate in config.rates):
            raise LaminaError(f"learning rates {config.rates} must all be above 0")
        if folder is not None:
            check_folder(folder)
        self.corpus = in_pieces(corpus, config.chunk_seconds, window_samples(encoder))
        self.encoder, self.config = encoder, config
        self.rows = RowMaker(encoder.name, run_name, control, config, phone_map_of(corpus))
        self.folder, self._progress, self._say = folder, progress, say
        self.notes: list[str] = []
        self.done = self.total = 0
        self.identity = ""
        self.device = device

    def note(self, text: str) -> None:
        """Keep a note once, and tell it."""
        if text not in self.notes:
            self.notes.append(text)
            if self._say is not None:
                self._say(text)

    def tell(self, done: int) -> None:
        """Tell how much is done beyond what was."""
        if self._progress is not None:
            self._progress(min(self.done + done, self.total), self.total)

    def run(self, support: tuple[Grid, ...]) -> Probed:
        """All tasks."""
        for note in notes_of(self.corpus):
            self.note(note)
        jobs, wants = self.plan(support)
        utterances = len({one.id for _, whose in wants.values() for one in whose})
        self.identity = self._identity(support)
        self.total = utterances + sum(self._steps(job) * len(self._heads(job.task)) for job in jobs)
        finished = {key: self._finished(key) for key in self._keys(jobs)}
        if all(found is not None for found in finished.values()):
            wants = {}
        stores = read(
            self.encoder,
            self.corpus,
            wants,
            seconds=self.config.batch_seconds,
            memory_gib=self.config.memory_gib,
            folder=None if self.folder is None else self.folder / "states",
            progress=lambda done, _total: self.tell(done),
            say=self.note if wants else None,
        )
        self.done = utterances
        rows, replicates = Scores(), Replicates()
        for key, own in self._keys(jobs).items():
            found = finished[key]
            if found is None:
                found = self._probe(own, key[1], stores)
                self._keep(key, found)
            self.done += sum(map(self._steps, own))
            self.tell(0)
            rows += found.scores
            replicates.join(found.replicates)
            for note in found.notes:
                self.note(note)
        rows += self.rows.majority(jobs)
        few = {(key.split("|")[2], count): None for key, count in replicates.groups.items()}
        for task, count in few:
            if note := rough(count):
                self.note(f"{task}: {note}")
        if self.folder is not None:
            shutil.rmtree(self.folder / "states", ignore_errors=True)  # all parts are finished: nothing reads them
        return Probed(_sorted(rows), replicates, tuple(self.notes))

    def plan(self, support: tuple[Grid, ...]) -> tuple[list[Job], dict[str, tuple[Want, list[Utterance]]]]:
        """What is trained, and the states that it reads."""
        trained = {name: find_task(name) for name in self.config.tasks}
        read_groups = groups(self.encoder, self.config)
        taps = chosen(self.encoder, self.config)
        grids = list(dict.fromkeys([*(tap.grid for tap in taps), *support]))
        jobs: list[Job] = []
        wanted: dict[str, tuple[dict[str, list[Segment]], dict[str, Utterance]]] = {}
        for name, task in trained.items():
            if self.config.protocol == "superb":
                if task.superb is None:
                    raise LaminaError(f"SUPERB has no task {name!r}: use `--protocol lamina` for it")
                for weakness in task.superb.weaknesses:
                    self.note(f"{name}, protocol superb: {weakness}")
            for fold, division in enumerate(parts(task, self.corpus, self.config, grids, self.note)):
                for number, group in enumerate(read_groups):
                    objective = task.objective(division, self.corpus, self.config, group.grid)
                    for note in objective.notes:
                        self.note(f"{name}: {note}")
                    rows = objective.rows
                    key = f"{rows}-{task.tier or 'all'}-{number}"
                    segments, whose = wanted.setdefault(key, ({}, {}))
                    for example in (*division.train, *division.dev, *division.test):
                        own = segments.setdefault(example.utterance.id, [])
                        if example.segment is not None and fold == 0:
                            own.append(example.segment)
                        whose[example.utterance.id] = example.utterance
                    jobs.append(Job(task, division, group, objective, key))
        made: dict[str, tuple[Want, list[Utterance]]] = {}
        for job in jobs:
            segments, whose = wanted[job.want]
            made[job.want] = (Want(job.objective.rows, job.group, segments, job.want), list(whose.values()))
        return jobs, made

    def _keys(self, jobs: Sequence[Job]) -> dict[tuple[str, str, str], list[Job]]:
        """What is trained and kept as one: a task, one of its heads, a group of taps; all folds."""
        found: dict[tuple[str, str, str], list[Job]] = {}
        for job in jobs:
            for head in self._heads(job.task):
                found.setdefault((job.task.name, head, job.want.rsplit("-", 1)[1]), []).append(job)
        return found

    def _heads(self, task: Task) -> Mapping[str, MakeHead]:
        if self.config.protocol == "superb" and task.superb is not None:
            return {"superb": task.superb.head}
        unknown = set(self.config.heads) - set(task.heads)
        if not self.config.heads:
            return task.heads
        found = {name: task.heads[name] for name in self.config.heads if name in task.heads}
        if not found:
            raise LaminaError(f"{task.name} has no head {min(unknown)!r}; its heads are {', '.join(task.heads)}")
        return found

    def _probe(self, jobs: Sequence[Job], head: str, stores: Mapping[str, Store]) -> Probed:
        """One head of one task at one group of taps: its folds together."""
        found, steps = [], 0
        broken = stores[jobs[0].want].broken()
        told = [
            f"tap {tap} has no row: its states are not finite, first in utterance {where}"
            for tap, where in broken.items()
        ]
        if broken and (jobs[0].group.mixed or len(broken) == len(jobs[0].group.taps)):
            raise LaminaError(
                f"{jobs[0].task.name}: {told[0].replace('has no row', 'cannot be read')}; look for NaN or "
                "overflow in the encoder, or leave the tap out (--taps)"
            )
        for job in jobs:
            make = self._heads(job.task)[head]

            def tell(done: int, before: int = steps) -> None:
                self.tell(before + done)

            store = stores[job.want]
            found.append(search(job, head, make, store, self.config, device=self.device, progress=tell))
            steps += self._steps(job)
        scores, replicates = self.rows.scores(jobs, found, head, frozenset(broken))
        return Probed(scores, replicates, (*told, *(note for each in found for note in each.notes)))

    def _steps(self, job: Job) -> int:
        return schedule(job.task, job.group, self.config).steps

    def _identity(self, support: Sequence[Grid]) -> str:
        """What a finished part depends on, beside its task and head: the folder's parts of others are not used."""
        read = [Path(self.config.lexicon)] if self.config.lexicon else []
        return digest(
            {
                "lamina": version("lamina"),
                "encoder": [self.encoder.name, self.encoder.digest],
                "corpus": [self.corpus.name, self.corpus.digest],
                "config": self.config.model_dump(mode="json", exclude={"tasks", "heads"}),
                "files": [file_digest(file) for file in read if file.is_file()],
                "support": [repr(grid) for grid in support],
                "rows": [self.rows.run, self.rows.control],
            }
        )

    def _finished(self, key: tuple[str, str, str]) -> Probed | None:
        """What an earlier run of this folder found."""
        folder = self._part(key)
        if folder is None or not (folder / "scores.jsonl").is_file():
            return None
        notes = tuple(read_lines(folder / "notes.txt", what="notes"))
        return Probed(Scores.read(folder / "scores.jsonl"), read_replicates(folder), notes)

    def _keep(self, key: tuple[str, str, str], found: Probed) -> None:
        folder = self._part(key)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            write_replicates(folder, found.replicates)
            write_text(folder / "notes.txt", "".join(f"{note}\n" for note in found.notes))
            found.scores.write(folder / "scores.jsonl")  # last: a part with scores is finished

    def _part(self, key: tuple[str, str, str]) -> Path | None:
        return None if self.folder is None else self.folder / "parts" / self.identity / "-".join(key)


def _sorted(rows: Scores) -> Scores:
    """Scores first, then what layers weigh; by task and head as they came, taps in the order of the data flow."""
    order = {key: place for place, key in enumerate(dict.fromkeys((row.target, row.head) for row in rows))}

    def place(row: Score) -> tuple[bool, int, int, bool]:
        explains = find_measure(row.measure).rank == EXPLAINS
        return explains, order[row.target, row.head], row.depth, row.layers == WEIGHTED

    return Scores(sorted(rows, key=place))
