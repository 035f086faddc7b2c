"""Trials: pairs of utterances to compare, beside the manifest. The one module that writes and reads them.

``trials.tsv`` has a header line and the columns ``list`` (such as ``veri_test``, ``dev``), ``target`` (1: the same
speaker, or the query occurs in the document; 0: not), ``left`` and ``right`` (ids of utterances).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lamina.errors import LaminaError
from lamina.files import read_lines

TRIALS = "trials.tsv"
_ENDS = re.compile("[\t\n\x0b\x0c\r\x1c-\x1e\x85\u2028\u2029]")
_HEADER = "list\ttarget\tleft\tright"


@dataclass(frozen=True, slots=True)
class Trial:
    """One pair.

    Attributes:
        list: which list it is of.
        target: whether the answer is yes.
        left: id of the enrolled utterance, or of the query.
        right: id of the tested utterance, or of the document.
    """

    list: str
    target: bool
    left: str
    right: str


def write_trials(folder: Path, trials: Iterable[Trial]) -> int:
    """Write ``trials.tsv`` into a corpus folder that is being made; returns how many there are.

    Raises:
        LaminaError: an id holds a tab or what some reader takes for the end of a line.
    """
    count = 0
    with (folder / TRIALS).open("w", encoding="utf-8", newline="\n") as file:
        file.write(_HEADER + "\n")
        for trial in trials:
            if odd := next((each for each in (trial.list, trial.left, trial.right) if _ENDS.search(each)), ""):
                raise LaminaError(f"the id {odd!a} holds a tab or ends a line, which {TRIALS} cannot: rename it")
            file.write(f"{trial.list}\t{int(trial.target)}\t{trial.left}\t{trial.right}\n")
            count += 1
    return count


def read_trials(folder: Path | str) -> Iterator[Trial]:
    """The trials of a corpus folder, in order.

    Raises:
        LaminaError: the corpus has no trials, or a line is broken.
    """
    path = Path(folder) / TRIALS
    if not path.is_file():
        raise LaminaError(f"{folder} has no {TRIALS}: its corpus has no trial list, or was imported without it")
    for number, line in enumerate(read_lines(path, what="trials", remedy="import the corpus again"), start=1):
        parts = line.split("\t")
        if number == 1 and line == _HEADER:
            continue
        if len(parts) != 4 or parts[1] not in {"0", "1"}:
            raise LaminaError(f"{path}, line {number} is no trial: import the corpus again")
        yield Trial(parts[0], parts[1] == "1", parts[2], parts[3])
