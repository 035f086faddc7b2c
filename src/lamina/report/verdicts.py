"""Verdicts: what a study says of each claim, in ``verdicts.json`` beside its scores.

`lamina.study.conclude` writes the file, the report reads it. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from lamina.errors import LaminaError
from lamina.files import read_json, write_json
from lamina.measures import find_measure
from lamina.records import as_row
from lamina.runs import check_file

FORMAT = 2
FILE = "verdicts.json"
REMEDY = "run `lamina study conclude` again"
Answer = Literal["supported", "contradicted", "undecided"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a study says of one claim.

    Attributes:
        name: of the claim in the study's config.
        claim: the sentence that is judged, as its authors mean it.
        hypothesis: what it says of our numbers, such as ``auxiliary raises cca-mean of phone at the best tap``.
        verdict: ``supported``, ``contradicted`` or ``undecided``.
        effect: the estimated difference; None where it could not be measured (then ``reason`` says why).
        low: lower end of its 95 % interval (of this claim alone; ``p_holm`` minds the others).
        high: upper end of that interval.
        unit: of the effect, empty for correlations and ratios.
        n_seeds: seeds a cell.
        n_speakers: speakers that were scored (resampled groups).
        measure: such as ``cca-mean``.
        target: such as ``phone``.
        where: ``best`` (each encoder at its best layer), ``matched`` (all at one depth), ``mean`` (over layers),
            or ``whole`` (the encoder as a whole).
        chosen: who chose the layers, as of an `Effect`.
        source: whose claim it is; empty for one of the study's own.
        reason: one sentence with the numbers that says why.
        margin: differences within plus and minus this count as none; 0 where the claim names none.
        p: two-sided probability of so large an effect where there is none, before Holm's correction.
        p_holm: the same, corrected for the number of claims of the study (Holm 1979).
        detectable: the smallest true effect that this design finds in four studies of five (80 % power, 5 % after
            the strictest step of Holm's correction).
        decides: of an undecided claim, what would decide it, in words.
        seeds_wanted, speakers_wanted: the same as numbers; None where none would, or nothing is known of seeds.
    """

    name: str
    claim: str
    hypothesis: str
    verdict: Answer
    effect: float | None
    low: float | None
    high: float | None
    unit: str
    n_seeds: int
    n_speakers: int
    measure: str
    target: str
    where: str
    reason: str
    margin: float = 0.0
    p: float | None = None
    p_holm: float | None = None
    detectable: float | None = None
    chosen: str = ""
    source: str = ""
    decides: str = ""
    seeds_wanted: int | None = None
    speakers_wanted: int | None = None


def write_verdicts(folder: Path, verdicts: Iterable[Verdict]) -> None:
    """Write ``verdicts.json`` into a study folder, atomically."""
    write_json(folder / FILE, {"format": FORMAT, "verdicts": [asdict(verdict) for verdict in verdicts]})


def read_verdicts(folder: Path) -> tuple[Verdict, ...]:
    """Read the verdicts of a study folder; none where it has no such file (a study without claims).

    Raises:
        LaminaError: the file is damaged or of another version.
    """
    path = folder / FILE
    check_file(path)
    if not path.is_file():
        return ()
    value = read_json(path, what="file of verdicts", remedy=REMEDY, version=FORMAT, keys={"verdicts": list})
    made = []
    for number, each in enumerate(value["verdicts"], 1):
        where = f"{path}, verdict {number}"
        if not isinstance(each, dict):
            raise LaminaError(f"{where} is no verdict: {REMEDY}")
        made.append(as_row(each, Verdict, where, what="verdict", remedy=REMEDY))
        find_measure(made[-1].measure)
    return tuple(made)
