"""Score: one measured number with its whole context. Scores: append, read, select.

A run folder's rows are in its ``scores.jsonl``, a study's in the study folder's: one JSON object a line, with
the keys of `Score` and ``format``, the version of this layout. Any notebook reads it:
``pandas.read_json("scores.jsonl", lines=True)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self, overload

from lamina.errors import LaminaError
from lamina.files import write_text
from lamina.measures import find_measure
from lamina.records import read_rows, to_csv, to_jsonl

FORMAT = 2
REMEDY = "run the step that wrote it again"

UNTRAINED, SHUFFLED, MAJORITY = "untrained", "shuffled", "majority"  # controls
RAW = "raw states"  # setting of what compares rows by distance, where no dimension was standardised
WEIGHTED, CHOSEN = "weighted", "chosen"  # readings of several layers


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One measured number and what it counted.

    Attributes:
        study: name of the study, empty outside one.
        run: name of the run folder that made it.
        model: the encoder, as people call it.
        tap: where in the encoder (`lamina encoder taps`); empty for numbers of a whole encoder or of several taps.
        block: the tap's block, such as ``enc20``; of a ``part``, that which it belongs to.
        layer: number of the transformer layer in its block, from 1; None where the tap is none.
        depth: place of the tap along the data flow, 0 at the front.
        period_ms: milliseconds from one frame that was read to the next; 0 where several rates were.
        part: path of a module, for costs by part; empty for the whole.
        layers: empty where one tap was read; ``weighted`` for a learned sum of taps; ``chosen`` where dev chose
            this tap among all.
        measure: one of `lamina.measures.TABLE`.
        target: what it was measured against: ``mel``, ``phone``, ``word``, a probe's task; empty for none.
        seconds: length of the audio that was costed; 0 elsewhere.
        value: the number.
        unit: unit of the number, empty for ratios and correlations.
        low: lower end of the interval, None where none was estimated.
        high: upper end of the interval.
        p: chance of a value as good where labels say nothing: (1 + shuffles as good) / (1 + shuffles); None where
            nothing was shuffled, or no value is better than another.
        draws: of a control, how many shuffles or seeds it was drawn with: the value is their mean, ``low`` and
            ``high`` are the range of their values; 0 elsewhere.
        n: how many items were scored (``items``), 0 where nothing is counted.
        items: what was counted: ``segments``, ``frames``, ``utterances``, ``pairs``, ``triples``, ``trials``, ….
        split: which part of the corpus was scored.
        seed: seed of the run.
        protocol: by which rules (``lamina``, ``pasad``, ``superb``).
        support: which items: ``common`` (that every compared tap sees), ``native`` (the tap's own frames),
            ``published`` (as protocol pasad draws them), ``masked``; empty for none.
        pooling: which frames of a segment were averaged (``all``, ``middle``, …); empty where none were.
        matched: whether the tap was read after decimation to the coarsest rate of the comparison.
        head: of a probe, such as ``linear``; empty without one.
        setting: what else was decided, in words, such as ``same context`` or ``phones by arpabet39``; where a
            speed was measured.
        control: empty, ``untrained``, ``shuffled``, or ``majority`` (always the commonest class of train).
    """

    study: str = ""
    run: str = ""
    model: str = ""
    tap: str = ""
    block: str = ""
    layer: int | None = None
    depth: int = 0
    period_ms: float = 0.0
    part: str = ""
    layers: str = ""
    measure: str
    target: str = ""
    seconds: float = 0.0
    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None
    p: float | None = None
    draws: int = 0
    n: int = 0
    items: str = ""
    split: str = ""
    seed: int = 0
    protocol: str = ""
    support: str = ""
    pooling: str = ""
    matched: bool = False
    head: str = ""
    setting: str = ""
    control: str = ""

    @property
    def plain(self) -> bool:
        """Whether a tap was read as it is by default: all frames of a segment, at its own rate, on one scale."""
        return self.pooling in {"", "all"} and not self.matched and not self.setting.endswith(RAW)

    @property
    def place(self) -> str:
        """Where it was read, in a word or two: the tap, or how several were."""
        return f"{self.tap} ({self.layers})" if self.tap and self.layers else self.tap or self.layers

    @property
    def way(self) -> tuple[str, ...]:
        """How it was read; rows of one measure and target that differ here do not compare."""
        pooling = "" if self.pooling == "all" else self.pooling
        matched = "matched" if self.matched else ""
        length = f"{self.seconds:g} s" if self.seconds else ""
        return (
            self.protocol, self.split, self.support, self.layers, pooling, matched, self.head, self.setting, length
        )  # fmt: skip

    @property
    def key(self) -> str:
        """What names the row among those of its run: ``place|measure|target``, then what is not usual of it."""
        *_, pooling, matched, head, setting, length = self.way
        more = [self.part, pooling, matched, head, setting, length]
        more += [self.control] if self.control in {SHUFFLED, MAJORITY} else []
        return "|".join([self.place, self.measure, self.target, *filter(None, more)])


def phones_by(phone_map: str, tier: str) -> str:
    """The `Score.setting` of what is told of a tier where phones were folded by a map; empty for other tiers."""
    return f"phones by {phone_map}" if phone_map and tier.partition(":")[0] == "phone" else ""


COLUMNS = tuple(field.name for field in fields(Score))
_MEASURED = frozenset({"value", "low", "high", "p", "draws", "n"})


class Scores:
    """An ordered, immutable collection of scores.

    >>> row = Score(model="m", tap="enc20.1", measure="cca-mean", target="phone", value=0.5)
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
        """The row of the best ``measure`` among those that ``values`` select.

        Raises:
            LaminaError: there is no such row, or no value of the measure is better than another.
        """
        rows = self.select(measure=measure, **values)
        if not len(rows):
            raise LaminaError(f"no score has measure {measure!r} with {values or 'these rows'}")
        found: Score = better(measure)(rows, key=lambda row: row.value)
        return found

    def table(self) -> str:
        """Plain text: a block a model and target, a line a tap and way of reading, a column a measure.

        Behind a slash stands the null (shuffled labels).
        """
        nulls = {
            (row.model, row.key.removesuffix(f"|{SHUFFLED}")): row.value for row in self.select(control=SHUFFLED)
        }
        blocks: dict[tuple[str, str], dict[tuple[str, str], dict[str, str]]] = {}
        for row in self.select(lambda row: row.control != SHUFFLED):
            null = nulls.get((row.model, row.key))
            cell = f"{row.value:.3f}" + ("" if null is None else f" /{round(null, 2) + 0.0:.2f}")
            lines = blocks.setdefault((row.model, row.target), {})
            said = ", ".join(filter(None, row.way[2:]))
            lines.setdefault((f"{row.place} ({row.period_ms:g} ms)", said), {})[row.measure] = cell
        return "\n".join(_block(f"{model}: {target}", lines) for (model, target), lines in blocks.items())

    def to_jsonl(self) -> str:
        """One JSON object a line."""
        return to_jsonl(self, version=FORMAT)

    def to_csv(self) -> str:
        """Comma-separated values with a header line."""
        return to_csv(self, COLUMNS)

    def to_pandas(self) -> Any:
        """A pandas data frame, one row a score (needs pandas)."""
        import pandas

        return pandas.DataFrame([asdict(row) for row in self], columns=list(COLUMNS))

    def write(self, path: Path) -> None:
        """Write all rows to ``path`` (``scores.jsonl``), atomically."""
        write_text(path, self.to_jsonl())

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the rows of a ``scores.jsonl``, and check each.

        Raises:
            LaminaError: the file is missing, was written by another version, or a line is no score: a value of
                another type, not finite, or not what its measure can be, ends that do not hold the value, or a row
                that stands there twice.
        """
        rows = read_rows(path, Score, version=FORMAT, what="score", remedy=REMEDY)
        seen: dict[tuple[Any, ...], int] = {}
        for number, row in enumerate(rows, 1):
            if fault := _fault(row):
                raise LaminaError(f"{path}, line {number}: {fault}: {REMEDY}")
            known = tuple(getattr(row, name) for name in COLUMNS if name not in _MEASURED)
            if known in seen:
                raise LaminaError(f"{path}, line {number} says again what line {seen[known]} says: {REMEDY}")
            seen[known] = number
        return cls(rows)


def better(measure: str) -> Callable[..., Any]:
    """``min`` or ``max``: which picks the better value of a measure.

    Raises:
        LaminaError: neither way is better.
    """
    way = find_measure(measure).better
    if way == "neither":
        raise LaminaError(f"no value of {measure} is better than another: it only describes")
    return min if way == "lower" else max


def _fault(row: Score) -> str:
    """What cannot be in a row; empty where it can."""
    try:
        measure = find_measure(row.measure)
    except LaminaError as error:
        return str(error)
    room = 1e-9 * max(1.0, abs(row.value))  # what rounding may do
    for name, value in (("value", row.value), ("low", row.low), ("high", row.high)):
        if value is not None and not measure.low - room <= value <= measure.high + room:
            return f"{name} is {value:g}, {row.measure} lies between {measure.low:g} and {measure.high:g}"
    if (row.low is not None and row.low > row.value + room) or (
        row.high is not None and row.high < row.value - room
    ):
        return f"the value {row.value:g} lies outside its interval {row.low} to {row.high}"
    if row.p is not None and not 0 < row.p <= 1:
        return f"p is {row.p:g}, a chance lies above 0 and up to 1"
    if min(row.n, row.draws, row.depth, row.period_ms, row.seconds) < 0:
        return "n, draws, depth, period_ms and seconds are never negative"
    return ""


def _block(title: str, lines: Mapping[tuple[str, str], Mapping[str, str]]) -> str:
    measures = list(dict.fromkeys(measure for cells in lines.values() for measure in cells))
    table = [["tap", "read", *measures]]
    table += [[*place, *(cells.get(measure, "") for measure in measures)] for place, cells in lines.items()]
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table
    ]
    return "\n".join([title, *text, ""])
