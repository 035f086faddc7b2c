"""Power: what the claims of a design could find, from the variances of an earlier run (docs/study.md)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lamina.errors import LaminaError
from lamina.stats.power import MANY, MOST, Components
from lamina.study.claims import Claim, Judged, strictest
from lamina.study.conclude import gather, judged_effect
from lamina.study.contrasts import contrasts
from lamina.study.design import StoredConfig, StudyConfig, cells
from lamina.study.record import FILE, Study

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class Outlook:
    """What one claim could find.

    Attributes:
        claim: its name.
        what: its effect and score, in words.
        components: the variances; None where there are none, then ``lacking`` says why.
        unit: of the difference.
        lacking: why nothing is foretold.
    """

    claim: str
    what: str
    components: Components | None
    unit: str = ""
    lacking: str = ""


@dataclass(frozen=True, slots=True)
class Foretold:
    """What the claims of a design could find.

    Attributes:
        like: whose variances these are.
        seeds: of the design.
        speakers: that score in the design; None where its corpus is not here, then as many as in ``like``.
        outlooks: one a claim.
    """

    like: str
    seeds: int
    speakers: int | None
    outlooks: tuple[Outlook, ...]

    @property
    def alpha(self) -> float:
        """The level of each claim's test: 5 % over all that chance has a part in, at Holm's strictest."""
        return strictest(sum(each.components is not None for each in self.outlooks))

    def people(self, found: Components) -> int:
        """How many speakers score one claim."""
        return found.speakers if self.speakers is None or not found.speakers else self.speakers


def foretell(config: StudyConfig, like: Path) -> Foretold:
    """What a design could find, if its differences vary as those of an earlier study did.

    Args:
        config: the design.
        like: a study folder with finished runs: an earlier study, or this one's own pilot.

    Raises:
        LaminaError: there are no finished runs.
    """
    study = Study.read(like)
    _, outcomes = gather(study, like)
    first = cells(config, config.seeds[0])
    factors = {name: list(factor.levels) for name, factor in config.factors.items()}
    within = {name: factor.within for name, factor in config.factors.items()}
    known = dict(contrasts(factors, within, {cell.model: cell.levels for cell in first if cell.levels}))
    found = [_outlook(name, claim, judged_effect(claim, outcomes, known)) for name, claim in config.claims.items()]
    return Foretold(study.name, len(config.seeds), scored_speakers(config), tuple(found))


def _outlook(name: str, claim: Claim, judged: Judged) -> Outlook:
    what = f"{claim.effect}: {claim.what}"
    if judged.found is None:
        return Outlook(name, what, None, judged.unit, judged.lacking)
    if judged.components is None:
        return Outlook(name, what, None, judged.unit, "counted: chance has no part in it")
    return Outlook(name, what, judged.components, judged.unit)


def scored_speakers(config: StudyConfig) -> int | None:
    """How many speakers (or folds) an analysis of the study scores; None where its corpus is not here."""
    speech = config.speech
    if not isinstance(speech, StoredConfig):
        return min(speech.speakers.test, config.analysis.max_groups) or min(
            config.analysis.folds, speech.speakers.train + speech.speakers.dev
        )
    if not Path(speech.path).exists():
        return None
    from lamina.corpus.open import open_corpus
    from lamina.corpus.splits import plan_roles

    analysis = config.analysis
    roles = plan_roles(
        open_corpus(speech.path), 0, folds=analysis.folds, seed=analysis.seed, max_groups=analysis.max_groups
    )
    return len(roles.groups)


def pilot(root: Path) -> Path | None:
    """The study's own folder where a run of it has finished; else None."""
    if not (root / FILE).is_file():
        return None
    return root if Study.read(root).finished(root) else None


def table(foretold: Foretold, find: float | None = None) -> Table:
    """A row a claim: what the design could find, and what a wanted difference takes."""
    from lamina.report.console import table as make

    heads = ["claim", "effect and score", "finds", *([f"to find {find:g}"] if find else [])]
    rows = []
    for each in foretold.outlooks:
        cells_ = [each.claim, each.what, _reach(each, foretold)]
        rows.append((*cells_, *([_takes(each, foretold, find)] if find else [])))
    return make(heads, rows)


def told(foretold: Foretold) -> list[str]:
    """What the table means."""
    known = [each.components for each in foretold.outlooks if each.components is not None]
    if not known:
        return [f"power: nothing can be told from {foretold.like}"]
    people = {foretold.people(each) for each in known if each.speakers}
    who = f" and {min(people)} test speakers" if people else ""
    seeds = f"{foretold.seeds} seed{'s' if foretold.seeds != 1 else ''}"
    said = (
        f"finds: the smallest true difference found four times in five with {seeds}{who}, at 5 % after Holm's "
        f"correction at its strictest; a margin comes on top; from the variances of {foretold.like}"
    )
    fewest = min(known, key=lambda each: each.seeds)
    if fewest.seeds < 2:
        rough = "one seed there: what another would move is not known; make a pilot of two or more"
    else:
        low, high = fewest.known()
        rough = (
            f"variances over {fewest.seeds} seeds are rough: four times in five the true figures are {low:.1f} to "
            f"{high:.1f} times these"
        )
    lines = [said, rough]
    if foretold.speakers is None:
        lines.append("the corpus is not here: as many test speakers as there were is assumed")
    return lines


def _reach(each: Outlook, foretold: Foretold) -> str:
    if each.components is None:
        return each.lacking
    planned = each.components.planned(foretold.seeds, foretold.people(each.components))
    if each.components.seed is None:
        return "not known from one seed"
    if planned is None:
        return "nothing: one seed a cell decides nothing"
    return f"{planned.reach(foretold.alpha):.3g} {each.unit}".strip()


def _takes(each: Outlook, foretold: Foretold, find: float) -> str:
    parts = each.components
    if parts is None or parts.seed is None:
        return ""
    people = foretold.people(parts)
    ways: list[str] = []
    if (seeds := parts.seeds_for(find, people, foretold.alpha)) is not None:
        ways.append(f"{seeds} seeds" + (f" with {people} speakers" if parts.speakers else ""))
    if parts.speakers and (speakers := parts.speakers_for(find, foretold.seeds, foretold.alpha)) is not None:
        ways.append(f"{speakers} speakers with {foretold.seeds} seeds")
    if not ways and (both := parts.enough(find, foretold.seeds, people, foretold.alpha)):
        ways.append(f"{both[0]} seeds with {both[1]} speakers")
    return " or ".join(ways) or f"more than {MANY} seeds and {MOST:,} speakers"


def check_find(find: float | None) -> float | None:
    """The wanted difference.

    Raises:
        LaminaError: it is not above 0.
    """
    if find is not None and not find > 0:
        raise LaminaError(f"--find {find:g}: the difference to be found is above 0, such as 0.02")
    return find
