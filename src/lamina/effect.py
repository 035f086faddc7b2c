"""Effect: one difference that a study found, in ``effects.jsonl`` beside its scores; no score, and no row of one.

`lamina.study.conclude` writes the file, the report reads it. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from lamina.files import write_text
from lamina.records import read_rows, to_csv, to_jsonl
from lamina.runs import check_file

FORMAT = 3  # none that scores have had, so that neither is taken for the other
FILE, TABLE = "effects.jsonl", "effects.csv"
REMEDY = "run `lamina study conclude` again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """The difference that a factor, or an interaction of factors, makes to one measure.

    Attributes:
        study: name of the study.
        name: of the effect: a factor, ``FACTOR=LEVEL``, or ``FACTOR x FACTOR``.
        measure, target, protocol, split, support, layers, pooling, matched, head, setting: as in a `Score`.
        at: where models are read: ``best``, ``matched`` (all at one depth), ``mean`` (over layers), or ``layer``.
        chosen: who chose the layers of ``best`` and ``matched``: ``crossed`` (other speakers than those that score
            them) or ``scored`` (the same); else empty.
        layer: for ``layer``, which, from 1; 0 elsewhere.
        value: the difference.
        low, high: its 95 % interval; None where none was estimated.
        unit: of the measure.
        seeds, speakers: how many it rests on; 0 speakers where none were resampled.
    """

    study: str = ""
    name: str
    measure: str
    target: str = ""
    at: str
    chosen: str = ""
    layer: int = 0
    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""
    seeds: int = 0
    speakers: int = 0
    protocol: str = ""
    split: str = ""
    support: str = ""
    layers: str = ""
    pooling: str = ""
    matched: bool = False
    head: str = ""
    setting: str = ""


COLUMNS = tuple(field.name for field in fields(Effect))


def write_effects(folder: Path, effects: Iterable[Effect]) -> None:
    """Write ``effects.jsonl`` and ``effects.csv`` into a study folder, atomically."""
    effects = tuple(effects)
    write_text(folder / FILE, to_jsonl(effects, version=FORMAT))
    write_text(folder / TABLE, to_csv(effects, COLUMNS))


def read_effects(folder: Path) -> tuple[Effect, ...]:
    """Read the effects of a study folder; none where it has no such file.

    Raises:
        LaminaError: the file is damaged or of another version.
    """
    path = folder / FILE
    check_file(path)
    return tuple(read_rows(path, Effect, version=FORMAT, what="effect", remedy=REMEDY)) if path.is_file() else ()
