"""Plan: the steps that a design asks for, each a run folder, in an order in which they can be made."""

from __future__ import annotations

from lamina.study.check import check
from lamina.study.design import RUN, Cell, Released, StudyConfig, cells
from lamina.study.record import Subject
from lamina.study.step import AnalysisRun, CostRun, ProbeRun, Read, Step

FEATURES = ("mel", "mfcc-cmvn")


def plan(config: StudyConfig) -> list[Step]:
    """All steps of the study, each after what it needs.

    Raises:
        LaminaError: the design is impossible (see `lamina.study.check`).
    """
    everyone = [cell for seed in config.seeds for cell in cells(config, seed)]
    check(config, everyone)
    return _Planner(config, everyone).steps


class _Planner:
    def __init__(self, config: StudyConfig, everyone: list[Cell]) -> None:
        self.config = config
        self.steps: list[Step] = []
        self.corpus = self._add(Step("corpus", "corpus", config.speech))
        self.others = {
            name: self._add(Step(f"corpus-{name}", "corpus", speech))
            for name, speech in config.read_besides.items()
        }
        first = [cell for cell in everyone if cell.seed == config.seeds[0]]
        self.cells = {cell.model: cell for cell in first}
        self._trained: dict[tuple[str, int], Step] = {}
        self._units: dict[str, Step] = {}
        released = {
            cell.model: self._add(
                Step(
                    f"encoder-{cell.model}", "encoder", Released(source=cell.source, untrained=bool(cell.control))
                )
            )
            for cell in first
            if cell.source
        }
        # Segments are scored where every encoder of the study sees them, whatever its rate.
        self.support = tuple(cell.pretrain.model for cell in first if cell.pretrain is not None)
        self.seen = {f"support.{name}": step for name, step in released.items()}
        used = list(dict.fromkeys(name for cell in everyone for name in cell.units))
        corpus = {"corpus": self.corpus}
        for feature in FEATURES:
            subject = Subject(model=feature, seed=config.seeds[0], every_seed=True)
            self._measure(subject, corpus, Read(features=feature))
        for name in used:
            units = self.units(name)
            label = "units" if len(used) == 1 else f"units-{name}"
            subject = Subject(model=label, seed=config.seeds[0], every_seed=True)
            needs = {**corpus, "units": units, **_teacher(units)}
            self._measure(subject, needs, Read(features="units", of=config.units[name]))
        for cell in everyone:
            encoder = (
                {"encoder": released[cell.model]}
                if cell.source
                else {"model": self.trained(cell.model, cell.seed)}
            )
            self._measure(_subject(cell), {**corpus, **encoder}, Read(), cell)

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
            self._units[name] = self._add(Step(label, "units", settings, needs=needs))
        return self._units[name]

    def trained(self, model: str, seed: int) -> Step:
        """The step that pretrains a model, and those it needs."""
        if (model, seed) not in self._trained:
            cell = next(each for each in cells(self.config, seed) if each.model == model)
            if cell.pretrain is None:
                raise AssertionError(f"{model} is not trained here")
            roles = ["units", *(f"units.{level}" for level in range(1, len(cell.units)))]
            needs = {"corpus": self.corpus} | dict(zip(roles, map(self.units, cell.units), strict=True))
            step = Step(f"pretrain-{model}-s{seed}", "pretrain", cell.pretrain, _subject(cell), needs)
            self._trained[model, seed] = self._add(step)
        return self._trained[model, seed]

    def _measure(self, subject: Subject, needs: dict[str, Step], read: Read, cell: Cell | None = None) -> None:
        """Analyse, probe and cost one encoder."""
        config, name, seen = self.config, f"{subject.model}-s{subject.seed}", {**needs, **self.seen}
        analysis = AnalysisRun(read=read, support=self.support, analysis=config.analysis)
        self._add(Step(f"analysis-{name}", "analysis", analysis, subject, seen))
        for corpus, step in self.others.items():
            other = analysis.model_copy(update={"corpus": corpus})
            needs_ = {**seen, "corpus": step, "training": self.corpus}
            self._add(Step(f"analysis-{name}-on-{corpus}", "analysis", other, subject, needs_))
        if config.probe is not None:
            probe = ProbeRun(read=read, support=self.support, probe=config.probe)
            self._add(Step(f"probe-{name}", "probe", probe, subject, seen))
        if cell and (cell.levels or cell.source) and subject.seed == config.seeds[0]:
            encoder = {role: step for role, step in needs.items() if role != "corpus"}
            cost = CostRun(seconds=config.cost.seconds, repeats=config.cost.repeats)
            self._add(Step(f"cost-{subject.model}", "cost", cost, subject, encoder, alone=True))


def _subject(cell: Cell) -> Subject:
    # No seed went into a released encoder: one run of it serves all.
    every_seed = bool(cell.source)
    return Subject(
        model=cell.model, seed=cell.seed, levels=cell.levels, control=cell.control, every_seed=every_seed
    )


def _teacher(units: Step) -> dict[str, Step]:
    """The model whose states are the units' features, where there is one."""
    return {"teacher": units.needs["model"]} if "model" in units.needs else {}
