"""From statistics to numbers: pure functions, one a measure. Names here are the `measure` column of scores.

| measure         | what                                                           | from                        |
|-----------------|----------------------------------------------------------------|-----------------------------|
| `cca-mean`      | mean held-out canonical correlation, signed, over all k        | `Projections`               |
| `cca-pwcca`     | the same, weighed by the training states' neurons (PWCCA)      | `Projections`               |
| `mi-normalised` | I(cluster; label) / H(label), plug-in                          | `Counts`                    |
| `mi-bits`       | I(cluster; label) in bits, plug-in                             | the same                    |
| `mi-corrected`  | as `mi-normalised`, with the Miller-Madow correction           | the same                    |

Every function returns (weightings,) values: one a row of group weights, a single one where no weights are given.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lamina.stats.cca import Projections
from lamina.stats.information import Counts, mutual_information

Values = dict[str, NDArray[np.float64]]
UNITS = {"mi-bits": "bits"}


def cca_values(projections: Projections, weights: Tensor | None = None) -> Values:
    """Held-out CCA of score rows projected on directions of the fit rows.

    PWCCA weighs directions by the neurons of the encoder (direction x, all of them), as seen in training.
    """
    correlations = projections.correlations(weights)
    return {
        "cca-mean": correlations.mean(1).numpy(),
        "cca-pwcca": (correlations * projections.shares).sum(1).numpy(),
    }


def mi_values(counts: Counts, weights: Tensor | None = None) -> Values:
    """Mutual information of held-out clusters and labels."""
    found = mutual_information(counts, weights)
    return {
        "mi-normalised": found.normalised.numpy(),
        "mi-bits": found.bits.numpy(),
        "mi-corrected": found.corrected.numpy(),
    }


def debiased(replicates: NDArray[np.float64], value: float) -> NDArray[np.float64]:
    """Replicates of a plug-in estimate moved to centre on it.

    Resampling speakers repeats some, which lets the plug-in information grow with the repeats: uncorrected, its
    interval may lie wholly above the value (the bootstrap's own estimate of that bias is what is taken off).
    """
    finite = replicates[np.isfinite(replicates)]
    return replicates - (finite.mean() - value) if len(finite) else replicates
