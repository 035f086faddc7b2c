"""What the report is told of a study's training runs. Needs no torch."""

from __future__ import annotations

from pathlib import Path

from lamina.report.learning import Trained
from lamina.runs import Run
from lamina.study.record import Study


def trained(study: Study, root: Path) -> list[Trained]:
    """The finished training runs, by the names that their analyses give them, in the study's order.

    An analysis names its model's run by digest; a run whose analysis is not there is told by its folder's name.
    """
    pretrained = {
        each["folder"]: Run.read(root / each["folder"])
        for each in study.runs
        if each["kind"] == "pretrain" and (root / each["folder"] / "run.json").is_file()
    }
    analysed = {
        Run.read(root / each["folder"]).inputs.get("model"): each
        for each in study.runs
        if each["kind"] == "analysis" and (root / each["folder"] / "run.json").is_file()
    }
    told = []
    for folder, run in pretrained.items():
        about = analysed.get(run.digest)
        model = about["model"] if about else folder.removeprefix("pretrain-").rpartition("-")[0]
        levels = about["levels"] if about else {}
        told.append(Trained(model, run.config["seed"], run.config, levels, run.log_lines()))
    return told
