"""`lamina.run_study` and `lamina.read_study`: a design or a folder in, what the study found out."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lamina.config import load_config
from lamina.effect import Effect, read_effects
from lamina.markup import escaped
from lamina.report.cards import cards, lead
from lamina.report.verdicts import Verdict, read_verdicts
from lamina.score import Scores
from lamina.study.design import StudyConfig
from lamina.study.outcomes import Choice
from lamina.study.record import SCORES


@dataclass(frozen=True, slots=True)
class Findings:
    """What a study found. In a notebook it shows its answer and its cards.

    Attributes:
        folder: the study's; its page is ``report/index.html`` there.
        scores: every number.
        effects: every difference, with its interval.
        verdicts: what they say of the claims.
    """

    folder: Path
    scores: Scores
    effects: tuple[Effect, ...]
    verdicts: tuple[Verdict, ...]

    def table(self) -> str:
        """The answer, and a line a claim: verdict, effect, interval, claim."""
        lines = [lead(self.verdicts)] if self.verdicts else []
        for each in self.verdicts:
            effect = "" if each.effect is None else f"{each.effect:+.3g}"
            ends = "" if each.low is None or each.high is None else f"{each.low:+.3g} to {each.high:+.3g}"
            lines.append(f"{each.verdict:<12}  {effect:>9}  {ends:<20}  {each.claim}".rstrip())
        return "\n".join(lines)

    def to_pandas(self) -> Any:
        """The effects as a pandas data frame, one row a difference (needs pandas)."""
        import pandas

        return pandas.DataFrame([asdict(each) for each in self.effects])

    def _repr_html_(self) -> str:
        said = lead(self.verdicts) if self.verdicts else f"{len(self.scores)} scores, no claims."
        return f"<p><b>{escaped(said)}</b></p>{cards(self.verdicts)}"


def run_study(
    config: StudyConfig | str | Path,
    out: str | Path | None = None,
    *,
    jobs: int = 2,
    best: Choice = "crossed",
    device: str = "cpu",
) -> Findings:
    """Run what is missing of a study, conclude, and write its report, as `lamina study run` does.

    Args:
        config: a design, or the TOML file of one; ``configs/study/tiny.toml`` is found once installed.
        out: the study's folder; ``runs/NAME`` where left out.
        jobs: steps side by side, one thread each.
        best: who chooses the best layer: ``crossed`` (other speakers than those that score it) or ``scored``.
        device: where the steps compute.

    Raises:
        LaminaError: as `lamina.study.study.run_study`.
    """
    from rich.console import Console

    from lamina.study import study
    from lamina.study.plan import plan
    from lamina.study.watch import ConsoleWatcher

    design = config if isinstance(config, StudyConfig) else load_config(Path(config), StudyConfig)
    root = design.default_root() if out is None else Path(out)
    with ConsoleWatcher(len(plan(design)), Console()) as watcher:
        study.run_study(design, root, jobs=jobs, watcher=watcher, best=best, device=device)
    return read_study(root)


def read_study(folder: str | Path) -> Findings:
    """What a concluded study found.

    Raises:
        LaminaError: the folder holds no concluded study, or a file of it is damaged.
    """
    root = Path(folder)
    return Findings(root, Scores.read(root / SCORES), read_effects(root), read_verdicts(root))
