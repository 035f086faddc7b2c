"""From statistics to numbers: pure functions, one a measure. Names here are the `measure` column of scores.

| measure               | what                                                           | from          |
|-----------------------|----------------------------------------------------------------|---------------|
| `cca-mean`            | mean held-out canonical correlation, signed, over all k        | `Projections` |
| `cca-pwcca`           | the same, weighed by the training states' neurons (PWCCA)      | the same      |
| `cca-pwcca-y`         | the same, weighed by the dimensions of the other view          | the same      |
| `svcca-mean`          | as `cca-mean`, of the directions that hold 99 % of each view   | the same      |
| `cka`                 | linear CKA, unbiased                                           | `Kernels`     |
| `effective-rank`      | `exp` of the entropy of the states' variance over directions   | moments       |
| `participation-ratio` | `(sum e)^2 / sum e^2` of these variances e                     | moments       |
| `mi-normalised`       | I(cluster; label) / H(label), plug-in                          | `Counts`      |
| `mi-bits`             | I(cluster; label) in bits, plug-in                             | the same      |
| `mi-corrected`        | as `mi-normalised`, with the Miller-Madow correction           | the same      |
| `purity-label`        | share of items that carry their cluster's commonest label      | the same      |
| `purity-cluster`      | share of items that lie in their label's commonest cluster     | the same      |

Every function returns (weightings,) values: one a row of group weights, a single one where no weights are given.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lamina.stats.cca import Projections
from lamina.stats.cka import ClassKernels, Kernels, cka
from lamina.stats.folds import linear_replicates
from lamina.stats.information import Counts, mutual_information, purities
from lamina.stats.moments import ClassMoments, Moments
from lamina.stats.spectrum import effective_rank, participation_ratio

Values = dict[str, NDArray[np.float64]]
UNITS = {"mi-bits": "bits"}


def cca_values(projections: Projections, weights: Tensor | None = None) -> Values:
    """Held-out CCA of score rows projected on directions of the fit rows.

    PWCCA weighs directions by the neurons of the encoder (x, all of them) or by the dimensions of the other view,
    as seen in training.
    """
    correlations = projections.correlations(weights)
    return {
        "cca-mean": correlations.mean(1).numpy(),
        "cca-pwcca": (correlations * projections.shares).sum(1).numpy(),
        "cca-pwcca-y": (correlations * projections.shares_y).sum(1).numpy(),
    }


def svcca_values(projections: Projections, weights: Tensor | None = None) -> Values:
    """Held-out SVCCA: projections on the directions of views cut to a share of their variance."""
    return {"svcca-mean": projections.correlations(weights).mean(1).numpy()}


def cka_values(
    parts: Sequence[Kernels | ClassKernels], weights: Tensor | None = None, labelling: int = 0
) -> Values:
    """Unbiased linear CKA of all rows; parts (of different speakers) are what weights count, to first order."""
    drawn = None if weights is None else weights.double().numpy()
    return {"cka": linear_replicates(parts, lambda whole: cka(whole, labelling), drawn)}


def dimension_values(parts: Sequence[Moments | ClassMoments], weights: Tensor | None = None) -> Values:
    """How many directions the states use; parts (of different speakers) are what weights count, to first order."""
    drawn = None if weights is None else weights.double().numpy()
    return {
        "effective-rank": linear_replicates(parts, lambda whole: effective_rank(whole.sxx / whole.n), drawn),
        "participation-ratio": linear_replicates(
            parts, lambda whole: participation_ratio(whole.sxx / whole.n), drawn
        ),
    }


def mi_values(counts: Counts, weights: Tensor | None = None) -> Values:
    """Mutual information of held-out clusters and labels."""
    found = mutual_information(counts, weights)
    return {
        "mi-normalised": found.normalised.numpy(),
        "mi-bits": found.bits.numpy(),
        "mi-corrected": found.corrected.numpy(),
    }


def purity_values(counts: Counts, weights: Tensor | None = None) -> Values:
    """How much of the items the commonest label of their cluster covers, and the other way round."""
    label, cluster = purities(counts, weights)
    return {"purity-label": label.numpy(), "purity-cluster": cluster.numpy()}


def debiased(replicates: NDArray[np.float64], value: float) -> NDArray[np.float64]:
    """Replicates of a plug-in estimate moved to centre on it.

    Resampling speakers repeats some, which lets plug-in information and purity grow with the repeats: uncorrected,
    replicates may lie wholly above the value (the bootstrap's own estimate of that bias is what is taken off).
    """
    finite = replicates[np.isfinite(replicates)]
    return replicates - (finite.mean() - value) if len(finite) else replicates
