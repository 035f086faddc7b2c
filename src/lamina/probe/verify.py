"""Speaker verification: embeddings learned by naming training speakers; new speakers are compared by cosine."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lamina.corpus.corpus import Corpus
from lamina.corpus.trials import TRIALS, Trial, read_trials
from lamina.errors import LaminaError
from lamina.grid import Grid
from lamina.probe.config import ProbeConfig
from lamina.probe.tally import Tally, Trials
from lamina.probe.task import Example, Objective, Parts

Pairs = tuple[NDArray[np.int64], NDArray[np.bool_]]


class Verification(Objective):
    """Additive-margin softmax (Wang et al. 2018) over training speakers; equal error rate over trials.

    Trials are those of the corpus's list; where a part has not both kinds of them, all pairs of one speaker and as
    many of two, each kind at most ``trials``, drawn by ``seed``.

    Raises:
        LaminaError: there is one training speaker, or the corpus's list asks for something else than speakers.
    """

    rows: ClassVar[Literal["frames", "mean", "segments"]] = "frames"
    items: ClassVar[str] = "pairs"
    scale, margin = 30.0, 0.4

    def __init__(self, parts: Parts, corpus: Corpus, config: ProbeConfig, _grid: Grid | None = None) -> None:
        super().__init__()
        self.measures = ("eer",)
        self._speakers = {name: code for code, name in enumerate(sorted({one.label[0] for one in parts.train}))}
        self.outputs = len(self._speakers)
        if self.outputs < 2:
            raise LaminaError(
                "the training part has one speaker only: there is nobody to tell apart; add speakers"
            )
        self._seed, self._most = config.seed, config.trials
        folder = getattr(corpus, "folder", None)
        listed = isinstance(folder, (str, Path)) and (Path(folder) / TRIALS).is_file()
        self._trials = list(read_trials(Path(str(folder)))) if listed else []
        if listed:
            self._check(parts, corpus)

    def _check(self, parts: Parts, corpus: Corpus) -> None:
        """Refuse a list of other questions, and tell which of its trials are not scored."""
        whose = {one.id: one.speaker for one in corpus.utterances()}
        for trial in self._trials:
            left, right = whose.get(trial.left), whose.get(trial.right)
            if trial.target and left and right and left != right:
                raise LaminaError(
                    f"{TRIALS} of {corpus.name} is no list for speaker verification: its target pair {trial.left} "
                    f"(speaker {left}) and {trial.right} (speaker {right}) is of two speakers, as in query by "
                    "example; probe qbe, or take that file away: pairs are then drawn"
                )
        used = 0
        for name, examples in (("dev", parts.dev), ("test", parts.test)):
            own = self._listed(examples)
            if len({trial.target for trial in own}) == 2:
                used += len(own)
            else:
                self.notes.append(
                    f"{TRIALS} has {len(own)} trials of two {name} utterances, not of both kinds: pairs of "
                    f"{name} are drawn instead (seed {self._seed})"
                )
        if used < len(self._trials):
            self.notes.append(
                f"{len(self._trials) - used} of {len(self._trials)} listed trials are not scored: an utterance of "
                "theirs is not in the part, or the part's are of one kind"
            )

    def _listed(self, examples: Sequence[Example]) -> list[Trial]:
        """The corpus's trials among these."""
        known = {one.utterance.id for one in examples}
        return [trial for trial in self._trials if trial.left in known and trial.right in known]

    def prepare(self, examples: Sequence[Example]) -> list[int]:
        """The training speaker's code; -1 for others, who are only compared."""
        return [self._speakers.get(one.label[0], -1) for one in examples]

    def loss(self, outputs: Tensor, _lengths: Tensor, targets: Sequence[Any]) -> Tensor:
        """Cross-entropy of scaled cosines, the true speaker's less the margin."""
        codes = torch.tensor(targets, device=outputs.device)
        cosines = outputs[..., : self.outputs]
        logits = self.scale * (cosines - self.margin * functional.one_hot(codes, self.outputs))
        each = functional.cross_entropy(logits.flatten(0, 1), codes.repeat(len(outputs)), reduction="none")
        return each.view(len(outputs), -1).mean(1)

    def predict(self, outputs: Tensor, _lengths: Tensor) -> list[Sequence[Any]]:
        """Embeddings of length one."""
        return list(functional.normalize(outputs[..., self.outputs :], dim=-1).cpu().numpy())

    def score(self, predictions: Sequence[Any], examples: Sequence[Example], _setting: Any) -> dict[str, Tally]:
        """The equal error rate over the trials of these examples."""
        sides, targets = self._pairs(examples)
        vectors = np.asarray(predictions, np.float64)
        scores = (vectors[sides[:, 0]] * vectors[sides[:, 1]]).sum(1)
        return {"eer": Trials(scores, targets, sides)}

    def _pairs(self, examples: Sequence[Example]) -> Pairs:
        place = {one.utterance.id: number for number, one in enumerate(examples)}
        listed = self._listed(examples)
        if len({trial.target for trial in listed}) == 2:
            sides = np.array([(place[trial.left], place[trial.right]) for trial in listed])
            targets = np.array([trial.target for trial in listed])
        else:
            sides, targets = self._made([one.label[0] for one in examples])
        if targets.all() or not targets.any():
            raise LaminaError(
                "speaker verification needs pairs of one speaker and of two in dev and in test: give those parts "
                "two or more speakers, each with two or more utterances"
            )
        return sides, targets

    def _made(self, speakers: Sequence[str]) -> Pairs:
        random = np.random.default_rng(self._seed)
        same: list[tuple[int, int]] = []
        for name in sorted(set(speakers)):
            same += combinations([place for place, one in enumerate(speakers) if one == name], 2)
        if len(same) > self._most:
            same = [same[place] for place in random.choice(len(same), self._most, replace=False)]
        drawn = random.integers(len(speakers), size=(20 * len(same) + 20, 2))
        other = list(dict.fromkeys((int(a), int(b)) for a, b in drawn if speakers[a] != speakers[b]))[: len(same)]
        sides = np.array([*same, *other], dtype=np.int64).reshape(-1, 2)
        return sides, np.arange(len(sides)) < len(same)
