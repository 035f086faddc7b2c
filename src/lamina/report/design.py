"""The section on the design: a picture and a line of words an encoder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lamina.files import file_name
from lamina.markup import escaped, shortened
from lamina.report import diagram
from lamina.report.chart import Chart, Drawing, Records
from lamina.report.overview import Overview
from lamina.report.trained import Trained
from lamina.report.wording import told

WORDS = {
    "model.label_rate_ratios": "rate ratios",
    "model.single_prediction": "one loss only",
    "model.block_layers": "layers a block",
    "model.plain_sampling": "plain sampling",
    "mask_probability": "share masked",
}
HOW = (
    "One picture an encoder, drawn from its config; speech comes in at the left. A block says how many layers it "
    "has; the ticks are its frames: the fewer, the slower. Dashed lines are sums over the U. A circled L is a "
    "loss: masked units are predicted from what reaches it."
)


def encoders(seen: Overview) -> list[Trained]:
    """One training run a model."""
    return list({run.model: run for run in seen.trained}.values())


def figures(seen: Overview) -> Chart:
    """The pictures as drawings for paper."""
    drawings = tuple(
        Drawing(
            (),
            file_name(f"design-{run.model}"),
            run.model,
            "",
            diagram.describe(run),
            diagram.plot(run),
            Records((), ()),
        )
        for run in encoders(seen)
    )
    return Chart("design", "The design", "", (), drawings)


def section(seen: Overview) -> str:
    """What is varied, and each encoder drawn; empty where no training run is told."""
    runs = encoders(seen)
    if not runs:
        return ""
    cells = [run for run in runs if run.levels]
    beside = [run for run in runs if not run.levels]
    varied = "".join(
        f"<li><b>{escaped(name)}</b>: {escaped(seen.labels.get(name, name))}</li>"
        for name in dict.fromkeys(name for run in cells for name in run.levels)
    )
    content = f"<p>What is varied, while all else is equal:</p><ul>{varied}</ul>" if varied else ""
    content += f"<p>{HOW}</p>{_grid((run, _levels(run)) for run in cells)}"
    if beside:
        content += f"<h3>Baselines</h3>{_grid((run, _beside(run, cells)) for run in beside)}"
    return content


def _levels(run: Trained) -> str:
    return ", ".join(f"{name}: {level}" for name, level in run.levels.items())


def _beside(run: Trained, cells: Iterable[Trained]) -> str:
    """What sets a baseline apart from the cell that is most like it."""
    found = [(differences(run, cell), cell.model) for cell in cells]
    if not found:
        return ""
    apart, like = min(found, key=lambda each: len(each[0]))
    said = ", ".join(f"{WORDS.get(name, name)} {told(value)}" for name, value in apart.items())
    return f"as {like}, but {said}" if said else f"as {like}"


def _grid(runs: Iterable[tuple[Trained, str]]) -> str:
    return f'<div class="encoders">{"".join(_figure(run, said) for run, said in runs)}</div>'


def _figure(run: Trained, said: str) -> str:
    drawn = diagram.svg(diagram.plot(run), f"{shortened(run.model)}: {diagram.describe(run)}")
    small = f"<br><span>{escaped(said)}</span>" if said else ""
    return f'<figure class="encoder">{drawn}<figcaption><b>{escaped(run.model)}</b>{small}</figcaption></figure>'


def differences(run: Trained, other: Trained) -> dict[str, Any]:
    """What sets a run's config apart from another's: dotted keys and values; seeds left out."""
    mine, theirs = _flat(run.config), _flat(other.config)
    return {
        name: value
        for name, value in mine.items()
        if name not in {"seed", "kind"} and repr(value) != repr(theirs.get(name))
    }


def _flat(value: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, each in value.items():
        found |= _flat(each, f"{before}{name}.") if isinstance(each, Mapping) else {before + name: each}
    return found
