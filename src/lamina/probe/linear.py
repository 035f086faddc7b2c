"""A linear probe: multinomial logistic regression, its penalty chosen on speakers it was not fitted on."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def predict(
    fit: NDArray[np.float32],
    labels: NDArray[np.str_],
    tuning: NDArray[np.bool_],
    score: NDArray[np.float32],
    *,
    penalties: Sequence[float],
    iterations: int,
) -> tuple[NDArray[np.str_], float]:
    """Predict labels of ``score``.

    Values are z-scored by the mean and deviation of what is fitted. The penalty (scikit-learn's ``1 / C``, for a
    loss that sums over segments) is that of the highest accuracy where ``tuning`` is true after fitting where it
    is false, the strongest of equals; then all of ``fit`` is fitted.

    Args:
        fit: (n, width).
        labels: (n,).
        tuning: (n,) whether a segment is held out to choose the penalty.
        score: (m, width).
        penalties: to choose from.
        iterations: the most steps of L-BFGS.

    Returns:
        (m,) labels and the penalty.
    """
    best, highest = max(penalties), -1.0
    # Where nothing can be held out of so little, the strongest penalty is the careful one.
    if len(penalties) > 1 and tuning.any() and len(np.unique(labels[~tuning])) > 1:
        for penalty in sorted(penalties, reverse=True):
            told = _fit_predict(fit[~tuning], labels[~tuning], fit[tuning], penalty, iterations)
            accuracy = float((told == labels[tuning]).mean())
            if accuracy > highest:
                best, highest = penalty, accuracy
    return _fit_predict(fit, labels, score, best, iterations), best


def _fit_predict(
    fit: NDArray[np.float32],
    labels: NDArray[np.str_],
    score: NDArray[np.float32],
    penalty: float,
    iterations: int,
) -> NDArray[np.str_]:
    from sklearn.linear_model import LogisticRegression

    mean, deviation = fit.mean(0, dtype=np.float64), fit.std(0, dtype=np.float64)
    scale = np.where(deviation > 1e-6 * max(float(deviation.max()), 1e-30), deviation, 1.0)
    model = LogisticRegression(C=1 / penalty, max_iter=iterations, tol=1e-4)
    with warnings.catch_warnings():
        # Stopping early is part of the protocol (`iterations` is in the config), as in other probes of this kind.
        warnings.filterwarnings("ignore", message="lbfgs failed to converge")
        model.fit((fit - mean) / scale, labels)
    predicted: NDArray[np.str_] = model.predict((score - mean) / scale)
    return predicted
