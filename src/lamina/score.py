"""Score: one measured number with its whole context. Scores: append, read, select.

A run folder's rows are in its ``scores.jsonl``, a study's in the study folder's: one JSON object a line, with
the keys of `Score` and ``format``, the version of this layout. Any notebook reads it:
``pandas.read_json("scores.jsonl", lines=True)``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from math import inf
from pathlib import Path
from typing import Any, Self, overload

from lamina.errors import LaminaError
from lamina.files import write_text

FORMAT = 1

# Error rates: the best layer is the one of the lowest value.
LOWER_IS_BETTER = frozenset({"per", "wer", "cer", "slot-cer", "eer", "der", "abx-within", "abx-across"})


def lower_is_better(measure: str) -> bool:
    """Whether a smaller value of this measure is the better one."""
    return measure in LOWER_IS_BETTER


_NONE, _ONE, _ALL = (0.0, inf), (0.0, 1.0), (-1.0, 1.0)
# What a measure can be; the others, such as unbiased and corrected estimates, may lie anywhere.
RANGES = {
    **dict.fromkeys(("accuracy", "slot-f1", "eer", "map", "map-across", "abx-within", "abx-across"), _ONE),
    **dict.fromkeys(("mtwv", "frame-accuracy"), _ONE),  # accepting nothing is worth an mtwv of 0
    **dict.fromkeys(("mi-normalised", "purity-label", "purity-cluster", "sentence-auc"), _ONE),
    **dict.fromkeys(("cca-mean", "cca-pwcca", "cca-pwcca-y", "svcca-mean", "sentence-spearman"), _ALL),
    **dict.fromkeys(("per", "wer", "cer", "slot-cer", "der", "mi-bits"), _NONE),
    **dict.fromkeys(("effective-rank", "participation-ratio"), (1.0, inf)),
}


def bounded(measure: str, low: float | None, high: float | None) -> tuple[float | None, float | None]:
    """The ends of a value's interval, cut where the measure cannot be (`RANGES`). Differences are not cut."""
    least, most = RANGES.get(measure, (-inf, inf))
    return None if low is None else max(low, least), None if high is None else min(high, most)


MAJORITY = "majority"  # the model and tap of rows that always name the most frequent class
LAYERS = ("layer-weight", "layer-norm")  # how a weighted sum is made: how much each tap counts, how long it is
WEIGHTED, CHOSEN = "weighted", "chosen"  # the taps of probes on a sum of layers, and on the one that dev chose
SUMS = (WEIGHTED, CHOSEN)
PLAIN = frozenset({"common", "native", "published"})


@dataclass(frozen=True, slots=True)
class Score:
    """One measured number and what it counted.

    Attributes:
        study: name of the study, empty outside one.
        run: name of the run folder that made it.
        model: the encoder, as people call it.
        tap: where in the encoder (`lamina encoder taps`); empty for numbers of a whole encoder.
        depth: place of the tap along the data flow, 0 at the front.
        period_ms: milliseconds from one frame of that tap to the next.
        measure: stable lower-case name, such as ``cca-mean``, ``cca-pwcca``, ``mi-normalised``, ``macs``.
        target: what it was measured against: ``mel``, ``phone``, ``word``, … ; empty where there is none.
        value: the number.
        unit: unit of the number, empty for ratios and correlations.
        low: lower end of the interval, None where none was estimated.
        high: upper end of the interval.
        n: how many items were scored (segments or frames), 0 where nothing is counted.
        split: which part of the corpus was scored.
        seed: seed of the run.
        protocol: by which rules (``lamina``, ``pasad``, …).
        support: which items, such as ``common`` (segments that every compared tap sees) or ``native`` frames.
        control: empty, ``untrained`` or ``shuffled``.
    """

    study: str
    run: str
    model: str
    tap: str
    depth: int
    period_ms: float
    measure: str
    target: str
    value: float
    unit: str
    low: float | None
    high: float | None
    n: int
    split: str
    seed: int
    protocol: str
    support: str
    control: str

    @property
    def plain(self) -> bool:
        """Whether a tap was read as it runs: all frames of a segment, at its own rate."""
        return self.support in PLAIN

    @property
    def key(self) -> str:
        """What names the row among those of its run: ``tap|measure|target``.

        ``…|support`` follows where the tap was not read plainly, ``…|shuffled`` for a null.
        """
        parts = [self.tap, self.measure, self.target]
        parts += [] if self.plain else [self.support]
        return "|".join([*parts, self.control] if self.control == "shuffled" else parts)


COLUMNS = tuple(field.name for field in fields(Score))


class Scores:
    """An ordered, immutable collection of scores.

    >>> row = Score("", "r", "m", "enc20.1", 1, 20.0, "cca-mean", "phone", 0.5, "", None, None, 9, "test", 0,
    ...             "lamina", "common", "")
    >>> Scores([row]).select(target="phone").best("cca-mean").value
    0.5
    """

    __slots__ = ("_rows",)

    def __init__(self, rows: Iterable[Score] = ()) -> None:
        self._rows = tuple(rows)

    def __iter__(self) -> Iterator[Score]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"Scores({len(self)} rows)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scores) and self._rows == other._rows

    __hash__ = None  # type: ignore[assignment]

    @overload
    def __getitem__(self, index: int) -> Score: ...
    @overload
    def __getitem__(self, index: slice) -> Scores: ...
    def __getitem__(self, index: int | slice) -> Score | Scores:
        return Scores(self._rows[index]) if isinstance(index, slice) else self._rows[index]

    def __add__(self, other: Iterable[Score]) -> Scores:
        return Scores((*self._rows, *other))

    def select(self, where: Callable[[Score], bool] | None = None, **values: Any) -> Scores:
        """The rows whose columns equal ``values`` (a tuple or list means "one of") and that pass ``where``."""
        unknown = set(values) - set(COLUMNS)
        if unknown:
            raise LaminaError(f"a score has no column {min(unknown)!r}; its columns are {', '.join(COLUMNS)}")

        def keep(row: Score) -> bool:
            for column, wanted in values.items():
                have = getattr(row, column)
                if have not in wanted if isinstance(wanted, (tuple, list, set, frozenset)) else have != wanted:
                    return False
            return where is None or where(row)

        return Scores(row for row in self._rows if keep(row))

    def with_columns(self, **values: Any) -> Scores:
        """The same rows with some columns set, such as ``study`` or ``model``."""
        return Scores(replace(row, **values) for row in self._rows)

    def distinct(self, column: str) -> list[Any]:
        """The values of a column, each once, in order of first appearance."""
        return list(dict.fromkeys(getattr(row, column) for row in self._rows))

    def best(self, measure: str, **values: Any) -> Score:
        """The row of the best ``measure`` (see `lower_is_better`) among those that ``values`` select."""
        rows = self.select(measure=measure, **values)
        if not len(rows):
            raise LaminaError(f"no score has measure {measure!r} with {values or 'these rows'}")
        return (min if lower_is_better(measure) else max)(rows, key=lambda row: row.value)

    def table(self) -> str:
        """Plain text: a block a model and target, a line a tap and support, a column a measure.

        Behind a slash stands the null (shuffled labels).
        """
        nulls = {
            (row.model, row.key.removesuffix("|shuffled")): row.value for row in self.select(control="shuffled")
        }
        real = self.select(lambda row: row.control != "shuffled")
        blocks: dict[tuple[str, str], dict[tuple[str, str], dict[str, str]]] = {}
        for row in real:
            null = nulls.get((row.model, row.key))
            cell = f"{row.value:.3f}" + ("" if null is None else f" /{round(null, 2) + 0.0:.2f}")
            lines = blocks.setdefault((row.model, row.target), {})
            lines.setdefault((f"{row.tap} ({row.period_ms:g} ms)", row.support), {})[row.measure] = cell
        return "\n".join(_block(f"{model}: {target}", lines) for (model, target), lines in blocks.items())

    def to_jsonl(self) -> str:
        """One JSON object a line."""
        return "".join(json.dumps(asdict(row) | {"format": FORMAT}, ensure_ascii=False) + "\n" for row in self)

    def to_csv(self) -> str:
        """Comma-separated values with a header line."""
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in self)
        return buffer.getvalue()

    def to_pandas(self) -> Any:
        """A pandas data frame, one row a score (needs pandas)."""
        import pandas

        return pandas.DataFrame([asdict(row) for row in self], columns=list(COLUMNS))

    def write(self, path: Path) -> None:
        """Write all rows to ``path`` (``scores.jsonl``), atomically."""
        write_text(path, self.to_jsonl())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the rows of a ``scores.jsonl``.

        Raises:
            LaminaError: the file is missing, a line is not a score, or it was written by another version.
        """
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise LaminaError(f"cannot read scores from {path}: {error.strerror}") from error
        return cls(_row(line, f"{path}, line {number}") for number, line in enumerate(lines, 1))


def _block(title: str, lines: Mapping[tuple[str, str], Mapping[str, str]]) -> str:
    measures = list(dict.fromkeys(measure for cells in lines.values() for measure in cells))
    table = [["tap", "support", *measures]]
    table += [[*place, *(cells.get(measure, "") for measure in measures)] for place, cells in lines.items()]
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    ]
    return "\n".join([title, *text, ""])


def _row(line: str, where: str) -> Score:
    try:
        value = json.loads(line)
        version = value.pop("format")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise LaminaError(
            f"{where} is not a score; the file may be cut off: run the step that wrote it again"
        ) from error
    if version != FORMAT:
        raise LaminaError(f"{where} has format {version}, this Lamina reads format {FORMAT}: run the step again")
    try:
        return Score(**value)
    except TypeError as error:
        raise LaminaError(f"{where} lacks or adds columns ({error}): run the step that wrote it again") from error
