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
from lamina.analysis.results import Analysis, conclude, statistics, told
from lamina.analysis.state import Sweep
from lamina.analysis.sums import Progress, Sums, merge_all, reduce_over_processes
from lamina.corpus.batches import read_batches
from lamina.corpus.corpus import Corpus
from lamina.encoders.encoder import Encoder
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.runs import Run
from lamina.stats.archive import write_statistics
from lamina.stats.inference import rough, write_replicates

__all__ = ["STATISTICS", "Analysis", "AnalysisConfig", "Sweep", "analyze"]

STATISTICS = "statistics.npz"
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
    kept in its folder now and then and an interrupted pass goes on from there, bit for bit; at the end statistics
    and replicates stay there.

    Args:
        encoder: what is read.
        corpus: speech with tiers, at the encoder's sample rate.
        config: what is measured.
        support: a segment counts if all these grids see it, besides those of this encoder's taps. Give the grids
            of all encoders of a comparison.
        run: where sums, statistics, replicates and notes are written.
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
    """Read everything that a fresh sweep has planned, and conclude; see `analyze`."""
    begun = time.perf_counter()
    rank, count = _process()
    folder = None if run is None else run.folder
    _pass(sweep, folder, (rank + 1, count), progress, save_seconds)
    found = finish(sweep, run, control, begun, write=rank == 0)
    if folder is not None and rank == 0:
        for path in (*folder.glob(f"*{PROGRESS}"), *folder.glob(LEARNED)):
            path.unlink(missing_ok=True)
    return found


def read_part(
    sweep: Sweep,
    shard: tuple[int, int],
    folder: Path,
    *,
    learned: Path | None = None,
    progress: Tell | None = None,
    save_seconds: float = SAVE_SECONDS,
) -> Progress:
    """Read part ``shard`` (number from 1, of how many) of the batches and keep its sums in ``folder``.

    Where speakers are scored apart, two rounds are needed: one whose parts are merged into ``learned`` (see
    `merge_parts`), and one, given that file, for the speakers that are scored.

    Raises:
        LaminaError: ``learned`` is of another analysis, or not needed.
    """
    return _pass(sweep, folder, shard, progress, save_seconds, alone=True, learned=learned)


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
    if phase + 1 < len(sweep.phases):
        sums = merge_all([_only(kept.sums, sweep.sums(folded=False)) for kept in found])
        Progress(plan, phase, (1, 1), len(sweep.phases[phase]), sums).write(folder / LEARNED)
        return False
    if phase:
        _learn(sweep, folder / LEARNED)
    sweep.put(merge_all([kept.sums for kept in found]))
    return True


def finish(
    sweep: Sweep, run: Run | None, control: str, begun: float | None = None, *, write: bool = True
) -> Analysis:
    """From complete sums to scores; statistics and replicates into the run folder."""
    begun = time.perf_counter() if begun is None else begun
    with torch.inference_mode():
        sweep.settle(folded=True)
        for reading in sweep.readings:
            reading.finish()
        scores, replicates = conclude(sweep.readings, sweep.encoder.name, run, sweep.config, control)
        few = {len(each.groups): "folds" if each.roles.folded else "speakers" for each in sweep.readings}
        notes = [*sweep.notes, *told(sweep.readings), *filter(None, (rough(*each) for each in few.items()))]
    if not len(scores):
        raise LaminaError(f"nothing could be measured on {sweep.corpus.name}: {'; '.join(notes)}")
    if run is not None and write:
        write_statistics(run.folder / STATISTICS, statistics(sweep.readings))
        write_replicates(run.folder, replicates)
        for note in notes:
            run.log(note=note)
        total = len(sweep.roles.fit) + len(sweep.roles.score)
        seconds = round(time.perf_counter() - begun, 2)
        run.log(event="analysed", utterances=total, taps=len(sweep.taps), seconds=seconds)
    return Analysis(scores, replicates, tuple(notes))


def _pass(
    sweep: Sweep,
    folder: Path | None,
    shard: tuple[int, int],
    progress: Tell | None,
    save_seconds: float,
    *,
    alone: bool = False,
    learned: Path | None = None,
) -> Progress:
    """Read this part of the batches, phase after phase; ``alone`` stops where other parts' sums are needed."""
    number, count = shard
    plan = sweep.digest
    mine = [groups[number - 1 :: count] for groups in sweep.phases]
    total = sum(len(group) for groups in mine for group in groups)
    path = None if folder is None else folder / (PROGRESS if alone or count == 1 else f"{number}-{PROGRESS}")
    last = learned is not None or not alone
    fresh = Progress(plan, 0, shard, 0, {})
    here = _kept(path, plan, shard) or fresh
    if count > 1 and not alone and not _agree(here.phase):
        here = fresh  # the processes stopped in different phases
    if alone and learned is not None and here.phase == 0 and len(sweep.phases) == 1:
        raise LaminaError("this analysis needs one round: there is nothing to go on from; leave --learned out")
    if here.phase:
        _learn(sweep, learned or _need(folder) / LEARNED)
    sweep.put(here.sums)
    done = sum(len(group) for groups in mine[: here.phase] for group in groups)
    done += sum(len(group) for group in mine[here.phase][: here.done])
    with torch.inference_mode():
        for phase in range(here.phase, len(sweep.phases)):
            begun = here.done if phase == here.phase else 0
            saved = time.monotonic()
            for place, batch in enumerate(read_batches(sweep.corpus, mine[phase][begun:]), begun + 1):
                sweep.read(batch, fitting=phase == 0)
                done += len(batch.utterances)
                if progress:
                    progress(done, total)
                if path is not None and time.monotonic() - saved > save_seconds:
                    Progress(plan, phase, shard, place, sweep.sums()).write(path)
                    saved = time.monotonic()
            final = phase + 1 == len(sweep.phases)
            kept = Progress(plan, phase, shard, len(mine[phase]), sweep.sums())
            if alone and (final or not last):
                if path is not None:
                    kept.write(path)
                return kept
            if final:
                if count > 1:
                    sweep.put(reduce_over_processes(sweep.sums()))
                return kept
            _between(sweep, learned, folder, plan, count, first=number == 1)
    raise AssertionError("an analysis has at least one phase")


def _between(
    sweep: Sweep, learned: Path | None, folder: Path | None, plan: str, count: int, *, first: bool
) -> None:
    """What the fit speakers taught, from all parts; then directions and codebooks are fixed."""
    if learned is not None:
        _learn(sweep, learned)
        return
    sums = sweep.sums(folded=False)
    if count > 1:
        sums = reduce_over_processes(sums)
        sweep.put(sums)
    if folder is not None and first:
        Progress(plan, 0, (1, 1), len(sweep.phases[0]), sums).write(folder / LEARNED)
    sweep.settle(folded=False)


def _learn(sweep: Sweep, path: Path) -> None:
    """Go on from what the fit speakers taught."""
    kept = Progress.read(path)
    if kept.plan != sweep.digest:
        raise LaminaError(f"{path} is of another analysis (settings, encoder, corpus or version differ)")
    sweep.put(kept.sums)
    with torch.inference_mode():
        sweep.settle(folded=False)


def _kept(path: Path | None, plan: str, shard: tuple[int, int]) -> Progress | None:
    """Where an interrupted pass stood; None where there is none that can be gone on from."""
    if path is None or not path.is_file():
        return None
    with suppress(LaminaError):
        kept = Progress.read(path)
        if (kept.plan, kept.shard) == (plan, shard):
            return kept
    return None


def _need(folder: Path | None) -> Path:
    if folder is None:
        raise AssertionError("what is gone on from lies in a folder")
    return folder


def _only(sums: Mapping[str, Sums], like: Mapping[str, Sums]) -> dict[str, Sums]:
    return {name: held for name, held in sums.items() if name in like}


def _process() -> tuple[int, int]:
    """The number of this process and how many share the work."""
    group = torch.distributed
    if group.is_available() and group.is_initialized():
        return group.get_rank(), group.get_world_size()
    return 0, 1


def _agree(phase: int) -> bool:
    """Whether all processes go on from one phase."""
    everyone: list[int] = [0] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(everyone, phase)
    return len(set(everyone)) == 1
