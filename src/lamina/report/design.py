"""The section on the design: a picture and a line of words an encoder."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lamina.report import diagram, figures
from lamina.report.learning import Trained

WORDS = {
    "model.label_rate_ratios": "rate ratios",
    "model.single_prediction": "one loss only",
    "model.block_layers": "layers a block",
    "model.plain_sampling": "plain sampling",
    "mask_probability": "share masked",
    "steps": "steps",
}
HOW = (
    "One picture an encoder, drawn from its config; speech comes in at the left. A block says how many layers it "
    "has; the ticks are its frames: the fewer, the slower. Dashed lines are sums over the U. A circled L is a "
    "loss: masked units are predicted from what reaches it."
)


def section(trained: Sequence[Trained], labels: Mapping[str, str], folder: Path) -> tuple[str, str, str] | None:
    """The pictures, written to ``figures/`` too; None where no training run is told."""
    runs = list({run.model: run for run in trained if "model" in run.config}.values())
    if not runs:
        return None
    cells = [run for run in runs if run.levels]
    beside = [run for run in runs if not run.levels]
    varied = "".join(
        f"<li><b>{html.escape(name)}</b>: {html.escape(labels.get(name, name))}</li>"
        for name in dict.fromkeys(name for run in cells for name in run.levels)
    )
    content = f"<p>What is varied, while all else is equal:</p><ul>{varied}</ul>" if varied else ""
    content += f"<p>{HOW}</p>{_grid({run: _levels(run) for run in cells}, folder)}"
    if beside:
        content += f"<h3>Baselines</h3>{_grid({run: _beside(run, cells) for run in beside}, folder)}"
    return "design", "The design", content


def _levels(run: Trained) -> str:
    return ", ".join(f"{name}: {level}" for name, level in run.levels.items())


def _beside(run: Trained, cells: Sequence[Trained]) -> str:
    """What sets a baseline apart from the cell that is most like it."""
    if not cells:
        return ""
    like = min(cells, key=lambda cell: len(diagram.differences(run, cell)))
    apart = diagram.differences(run, like)
    said = ", ".join(f"{WORDS.get(name, name)} {_text(value)}" for name, value in apart.items())
    return f"as {like.model}, but {said}" if said else f"as {like.model}"


def _grid(runs: dict[Trained, str], folder: Path) -> str:
    return f'<div class="encoders">{"".join(_figure(run, said, folder) for run, said in runs.items())}</div>'


def _figure(run: Trained, said: str, folder: Path) -> str:
    spec = diagram.plot(run)
    slug = f"design-{run.model}".replace("/", "-").replace(" ", "-")
    figures.draw(spec, (), folder / "figures" / slug)
    links = " ".join(f'<a href="figures/{slug}.{kind}" download>{kind.upper()}</a>' for kind in figures.FORMATS)
    small = f"<br><span>{html.escape(said)}</span>" if said else ""
    return (
        f'<figure class="encoder">{diagram.svg(spec, f"{run.model}: {diagram.describe(run)}")}'
        f"<figcaption><b>{html.escape(run.model)}</b>{small}<br>{links}</figcaption></figure>"
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ":".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
