"""Step: one run folder that a study asks for. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lamina.errors import LaminaError
from lamina.runs import Run


@dataclass(frozen=True)
class Step:
    """One run folder to make.

    Attributes:
        name: the folder's name before its digest.
        kind: which function of `lamina.study.steps` makes it.
        config: all that decides the result, plain JSON values.
        needs: the steps it builds on, by the role they play.
        alone: whether it is timed, so that nothing may run beside it.
    """

    name: str
    kind: str
    config: dict[str, Any]
    needs: Mapping[str, Step] = field(default_factory=dict)
    alone: bool = False

    def run(self, root: Path) -> Run:
        """The run folder of this step in the study folder ``root``."""
        inputs = {role: step.run(root).digest for role, step in self.needs.items()}
        return Run.plan(root, self.name, {"kind": self.kind, **self.config}, inputs)


def find_step(steps: list[Step], name: str) -> Step:
    """The step of that name (with or without its digest).

    Raises:
        LaminaError: there is none.
    """
    for step in steps:
        if name in (step.name, step.run(Path()).folder.name):
            return step
    raise LaminaError(f"the study has no step {name!r}; `lamina study plan` lists them")
