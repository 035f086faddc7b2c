"""Plan: the steps that a design asks for, each a run folder, in an order in which they can be made."""

from __future__ import annotations

from typing import Any

from lamina.study.check import check
from lamina.study.design import RUN, Cell, StudyConfig, cells
from lamina.study.step import Step

FEATURES = ("mel", "mfcc-cmvn")


def plan(config: StudyConfig) -> list[Step]:
    """All steps of the study, each after what it needs.

    Raises:
        LaminaError: the design is impossible (see `lamina.study.check`).
    """
    everyone = [cell for seed in config.seeds for cell in cells(config, seed)]
    check(config, everyone)
    return _Plan(config, everyone).steps


class _Plan:
    def __init__(self, config: StudyConfig, everyone: list[Cell]) -> None:
        self.config = config
        self.steps: list[Step] = []
        self.corpus = self._add(Step("corpus", "corpus", config.speech.to_json()))
        first = [cell for cell in everyone if cell.seed == config.seeds[0]]
        self.cells = {cell.model: cell for cell in first}
        self._trained: dict[tuple[str, int], Step] = {}
        self._units: dict[str, Step] = {}
        released = {
            cell.model: self._add(
                Step(f"encoder-{cell.model}", "encoder", {"source": cell.source, "untrained": bool(cell.control)})
            )
            for cell in first
            if cell.source
        }
        # Segments are scored where every encoder of the study sees them, whatever its rate.
        self.support = {
            "support": [cell.pretrain.model.to_json() for cell in first if cell.pretrain is not None],
        }
        self.seen = {f"support.{name}": step for name, step in released.items()}
        used = list(dict.fromkeys(name for cell in everyone for name in cell.units))
        for feature in FEATURES:
            self._measure(feature, config.seeds[0], {"corpus": self.corpus}, {"features": feature})
        for name in used:
            units = self.units(name)
            label = "units" if len(used) == 1 else f"units-{name}"
            needs = {"corpus": self.corpus, "units": units, **_model(units)}
            settings = {"features": "units", "of": config.units[name].to_json()}
            self._measure(label, config.seeds[0], needs, settings)
        for cell in everyone:
            encoder = (
                {"encoder": released[cell.model]}
                if cell.source
                else {"model": self.trained(cell.model, cell.seed)}
            )
            self._measure(cell.model, cell.seed, {"corpus": self.corpus, **encoder}, {}, cell)

    def _add(self, step: Step) -> Step:
        self.steps.append(step)
        return step

    def units(self, name: str) -> Step:
        """The step that makes these units, and those it needs."""
        if name not in self._units:
            settings = self.config.units[name]
            needs = {"corpus": self.corpus}
            if settings.features.startswith(RUN):
                needs["model"] = self.trained(settings.features.removeprefix(RUN), self.config.seeds[0])
            label = "units" if len(self.config.units) == 1 else f"units-{name}"
            self._units[name] = self._add(Step(label, "units", settings.to_json(), needs))
        return self._units[name]

    def trained(self, model: str, seed: int) -> Step:
        """The step that pretrains a model, and those it needs."""
        if (model, seed) not in self._trained:
            cell = next(each for each in cells(self.config, seed) if each.model == model)
            if cell.pretrain is None:
                raise AssertionError(f"{model} is not trained here")
            roles = ["units", *(f"units.{level}" for level in range(1, len(cell.units)))]
            needs = {"corpus": self.corpus} | dict(zip(roles, map(self.units, cell.units), strict=True))
            step = Step(f"pretrain-{model}-s{seed}", "pretrain", cell.pretrain.to_json(), needs)
            self._trained[model, seed] = self._add(step)
        return self._trained[model, seed]

    def _measure(
        self, model: str, seed: int, needs: dict[str, Step], more: dict[str, Any], cell: Cell | None = None
    ) -> None:
        """Analyse, probe and cost one encoder."""
        # One run of features and released encoders serves every seed: no seed went into them.
        about = {"model": model, "seed": seed, "every_seed": cell is None or bool(cell.source), **more}
        about |= {"levels": dict(cell.levels) if cell else {}, "control": cell.control if cell else ""}
        name = f"{model}-s{seed}"
        settings = {**about, **self.support, "analysis": self.config.analysis.to_json()}
        self._add(Step(f"analysis-{name}", "analysis", settings, {**needs, **self.seen}))
        probes = self.config.probes
        if probes is not None:
            settings = {**about, **self.support, "probe": probes.to_json()}
            self._add(Step(f"probe-{name}", "probe", settings, {**needs, **self.seen}))
        if cell and (cell.levels or cell.source) and seed == self.config.seeds[0]:
            encoder = {role: step for role, step in needs.items() if role != "corpus"}
            settings = {**about, **self.config.cost.to_json()}
            self._add(Step(f"cost-{model}", "cost", settings, encoder, alone=True))


def _model(units: Step) -> dict[str, Step]:
    """The model whose states are the units' features, where there is one."""
    return {"teacher": units.needs["model"]} if "model" in units.needs else {}
