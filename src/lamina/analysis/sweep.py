"""One streaming pass over a corpus, all taps and targets of an encoder: held-out scores with intervals.

One tap's states are in memory at a time, nothing is dumped, and memory does not grow with the corpus. Batches are
planned for the whole corpus before the first is read, so processes and machines share them out and agree.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import torch

from lamina.analysis.config import AnalysisConfig
from lamina.analysis.plan import Sweep
from lamina.analysis.results import Analysis, Conclusion, told
from lamina.analysis.sums import Progress, merge_all, reduce_over_processes
from lamina.corpus.batches import read_batches
from lamina.corpus.corpus import Corpus, phone_map_of
from lamina.encoders.encoder import Encoder
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.runs import Run
from lamina.score import Scores
from lamina.stats.archive import Statistic
from lamina.stats.inference import Replicates, rough, write_replicates

__all__ = ["Analysis", "AnalysisConfig", "Sweep", "analyze"]

PROGRESS, LEARNED = "progress.npz", "learned.npz"
SAVE_SECONDS = 300.0
Tell = Callable[[int, int], None]


def analyze(
    encoder: Encoder,
    corpus: Corpus,
    config: AnalysisConfig,
    *,
    support: Sequence[Grid] | None = None,
    run: Run | None = None,
    control: str = "",
    progress: Tell | None = None,
    others: Mapping[str, Encoder] | None = None,
    save_seconds: float = SAVE_SECONDS,
) -> Analysis:
    """Measure what every tap of an encoder knows of every target, in one pass over the audio.

    Segments are pooled over the frames whose centres they own, on the common support; mel frames are pooled onto
    each tap's own frames. Everything is held out: with a train and a test split, directions, ridge and codebook
    come from the fit speakers, values from the others; without, folds of speakers score each other.

    Processes of one torch.distributed group share the batches out; all return the same. With ``run``, sums are
    kept in its folder now and then and an interrupted pass goes on from there, bit for bit; at the end
    replicates stay there.

    Args:
        encoder: what is read.
        corpus: speech with tiers, at the encoder's sample rate.
        config: what is measured.
        support: a segment counts if all these grids see it, besides those of this encoder's taps. Give the grids
            of all encoders of a comparison.
        run: where sums, replicates and notes are written.
        control: of the rows, such as ``untrained``.
        progress: told how many utterances are done, of how many.
        others: encoders by name that targets ``encoder:NAME`` may name; others are loaded.
        save_seconds: how often sums are kept in the run folder.

    Raises:
        LaminaError: sample rates differ, a tap is unknown, or no target can be measured.
    """
    sweep = Sweep(encoder, corpus, config, tuple(support or ()), dict(others or {}))
    return run_sweep(sweep, run=run, control=control, progress=progress, save_seconds=save_seconds)


def run_sweep(
    sweep: Sweep,
    *,
    run: Run | None = None,
    control: str = "",
    progress: Tell | None = None,
    save_seconds: float = SAVE_SECONDS,
) -> Analysis:
    """Read everything that a fresh sweep has planned, and conclude; see `analyze`.

    A process of a group reads its part; the sums of all are merged after each phase.
    """
    begun = time.perf_counter()
    part = _process()
    folder = None if run is None else run.folder
    path = None if folder is None else folder / (PROGRESS if part[1] == 1 else f"{part[0]}-{PROGRESS}")
    learned = None if folder is None else folder / LEARNED
    kept = _kept(path, sweep, part)
    phase = _least(0 if kept is None else kept.phase)
    if phase and learned is not None:
        _learn(sweep, learned)
    for number in range(phase, len(sweep.phases)):
        _read(sweep, number, part, path, progress, save_seconds)
        last = number + 1 == len(sweep.phases)
        sums = reduce_over_processes(sweep.sums(folded=None if last else False))
        sweep.put(sums)
        if not last:
            if learned is not None and part[0] == 1:
                Progress(sweep.digest, number, (1, 1), len(sweep.phases[number]), sums).write(learned)
            _settle(sweep)
    found = finish(sweep, run, control, begun, write=part[0] == 1)
    if folder is not None and part[0] == 1:
        for each in (*folder.glob(f"*{PROGRESS}"), *folder.glob(LEARNED)):
            each.unlink(missing_ok=True)
    return found


def read_part(
    sweep: Sweep,
    part: tuple[int, int],
    folder: Path,
    *,
    learned: Path | None = None,
    progress: Tell | None = None,
    save_seconds: float = SAVE_SECONDS,
) -> int:
    """Read part ``part`` (number from 1, of how many) of the batches of one phase and keep its sums in ``folder``.

    Where speakers are scored apart, two rounds are needed: one whose parts are merged into ``learned`` (see
    `merge_parts`), and one, given that file, for the speakers that are scored.

    Returns:
        Which round that was, from 1.

    Raises:
        LaminaError: ``learned`` is of another analysis, or not needed.
    """
    if learned is not None:
        if len(sweep.phases) == 1:
            raise LaminaError("this analysis needs one round: there is nothing to go on from; leave --learned out")
        _learn(sweep, learned)
    phase = 0 if learned is None else 1
    kept = _read(sweep, phase, part, folder / PROGRESS, progress, save_seconds)
    kept.write(folder / PROGRESS)
    return phase + 1


def merge_parts(sweep: Sweep, parts: Sequence[Path], folder: Path) -> bool:
    """Put the sums of all parts together in ``sweep``; whether that completes the analysis.

    Where another round is needed, what was learned is written into ``folder`` instead.

    Args:
        sweep: freshly planned, as in the parts.
        parts: folders of `read_part`.
        folder: where ``learned.npz`` goes.

    Raises:
        LaminaError: parts are missing, unfinished, doubled, or of another analysis.
    """
    found = [Progress.read(part / PROGRESS) for part in parts]
    plan = sweep.digest
    for part, kept in zip(parts, found, strict=True):
        if kept.plan != plan:
            raise LaminaError(f"{part} is part of another analysis (settings, encoder, corpus or version differ)")
        if kept.done < len(sweep.phases[kept.phase][kept.shard[0] - 1 :: kept.shard[1]]):
            raise LaminaError(f"{part} is unfinished: run that part again, it goes on from where it stopped")
    phase, count = found[0].phase, found[0].shard[1]
    numbers = sorted(kept.shard for kept in found)
    if numbers != [(number, count) for number in range(1, count + 1)] or {kept.phase for kept in found} != {phase}:
        said = ", ".join(f"{kept.shard[0]}/{kept.shard[1]} (round {kept.phase + 1})" for kept in found)
        raise LaminaError(f"these parts do not make one whole: {said}; give every part of one round once")
    found.sort(key=lambda kept: kept.shard)
    sums = merge_all([kept.sums for kept in found])
    if phase + 1 < len(sweep.phases):
        Progress(plan, phase, (1, 1), len(sweep.phases[phase]), sums).write(folder / LEARNED)
        return False
    if phase:
        # What folds score took in the first round is in no part of the second.
        whole = sweep.sums(folded=True).keys()
        before = _learn(sweep, folder / LEARNED)
        sums |= merge_all([{name: each[name] for name in whole} for each in (before, sums)])
    sweep.put(sums)
    return True


def finish(
    sweep: Sweep, run: Run | None, control: str, begun: float | None = None, *, write: bool = True
) -> Analysis:
    """From complete sums to scores; replicates into the run folder."""
    begun = time.perf_counter() if begun is None else begun
    with torch.inference_mode():
        sweep.settle(folded=True)
        folder = "" if run is None else run.folder.name
        conclusion = Conclusion(sweep.encoder.name, folder, sweep.config, control, phone_map_of(sweep.corpus))
        scores, replicates = conclusion.of(sweep.readings)
        notes = [*sweep.notes, *told(sweep.readings), *_rough(replicates, scores)]
    if not len(scores):
        raise LaminaError(f"nothing could be measured on {sweep.corpus.name}: {'; '.join(notes)}")
    if run is not None and write:
        write_replicates(run.folder, replicates)
        kept = filter(None, (target.keep(run.folder) for target in sweep.targets))
        notes += [f"what is compared is in {name}" for name in kept]
        for note in notes:
            run.log(note=note)
        total = len(sweep.roles.fit) + len(sweep.roles.score)
        seconds = round(time.perf_counter() - begun, 2)
        run.log(event="analysed", utterances=total, taps=len(sweep.taps), seconds=seconds)
    return Analysis(scores, replicates, tuple(notes))


def _read(
    sweep: Sweep, phase: int, part: tuple[int, int], path: Path | None, progress: Tell | None, save_seconds: float
) -> Progress:
    """Read this part of a phase's batches, from where it was stopped; ``path`` is kept now and then."""
    number, count = part
    mine = [groups[number - 1 :: count] for groups in sweep.phases]
    kept = _kept(path, sweep, part)
    begun = 0
    if kept is not None and kept.phase == phase:
        sweep.put(kept.sums)
        begun = kept.done
    total = sum(len(group) for groups in mine for group in groups)
    done = sum(len(group) for groups in (*mine[:phase], mine[phase][:begun]) for group in groups)
    saved = time.monotonic()
    with torch.inference_mode():
        for place, batch in enumerate(read_batches(sweep.corpus, mine[phase][begun:]), begun + 1):
            sweep.read(batch, fitting=phase == 0)
            done += len(batch.utterances)
            if progress:
                progress(done, total)
            if path is not None and time.monotonic() - saved > save_seconds:
                Progress(sweep.digest, phase, part, place, sweep.sums()).write(path)
                saved = time.monotonic()
    return Progress(sweep.digest, phase, part, len(mine[phase]), sweep.sums())


def _learn(sweep: Sweep, path: Path) -> dict[str, Statistic]:
    """Go on from what the fit speakers taught; returns all sums of the first round."""
    kept = Progress.read(path)
    if kept.plan != sweep.digest:
        raise LaminaError(f"{path} is of another analysis (settings, encoder, corpus or version differ)")
    sweep.put({name: kept.sums[name] for name in sweep.sums(folded=False)})
    _settle(sweep)
    return kept.sums


def _settle(sweep: Sweep) -> None:
    """Fix what the fit speakers taught, for those that are scored apart."""
    with torch.inference_mode():
        sweep.settle(folded=False)


def _kept(path: Path | None, sweep: Sweep, part: tuple[int, int]) -> Progress | None:
    """Where this part of this analysis stood; None where there is nothing that can be gone on from."""
    if path is None or not path.is_file():
        return None
    with suppress(LaminaError):
        kept = Progress.read(path)
        if (kept.plan, kept.shard) == (sweep.digest, part):
            return kept
    return None


def _rough(replicates: Replicates, scores: Scores) -> list[str]:
    """Whether rows are of few folds or speakers."""
    few = {
        replicates.groups[row.key]: "folds" if "folds" in row.split else "speakers"
        for row in scores
        if row.key in replicates  # a null is resampled by shuffling
    }
    return [note for groups, what in few.items() if (note := rough(groups, what))]


def _process() -> tuple[int, int]:
    """Which part this process reads: its number from 1, and how many share the work."""
    group = torch.distributed
    if group.is_available() and group.is_initialized():
        return group.get_rank() + 1, group.get_world_size()
    return 1, 1


def _least(phase: int) -> int:
    """The earliest phase in which a process of this group stands."""
    if _process()[1] == 1:
        return phase
    everyone: list[int] = [0] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(everyone, phase)
    return min(everyone)
