"""The published procedure of layer-wise CCA on data matrices, plainly: the slow twin of `published.pasad.score`.

Covariances over their largest entry, pseudo-inverses and symmetric roots anew for every ridge pair, singular
vectors of the whitened cross-covariance, and PWCCA weights by QR of the projections with means added back. Rows
are columns here, as there. `benchmarks/cca.py` times it.
"""

from __future__ import annotations

import numpy as np


def root(matrix):
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(values)) @ vectors.T


def inverse_root(matrix, ridge, null):
    if null:
        return root(np.linalg.pinv(matrix + ridge * np.eye(len(matrix))))
    values, vectors = np.linalg.eigh(matrix)
    good = values > 1e-10 * values[-1]
    return (vectors[:, good] / np.sqrt(values[good] + ridge)) @ vectors[:, good].T


def fit(x, y, ridge_x, ridge_y, null=True):
    """Projection matrices (k, p) and (k, q) of the dimensions kept, and which these are."""
    p = len(x)
    covariance = np.cov(x, y)
    cxx, cxy, cyy = covariance[:p, :p], covariance[:p, p:], covariance[p:, p:]
    most_x, most_y = np.abs(cxx).max(), np.abs(cyy).max()
    cxx, cyy, cxy = cxx / most_x, cyy / most_y, cxy / np.sqrt(most_x * most_y)
    kept_x, kept_y = np.diagonal(cxx) >= ridge_x, np.diagonal(cyy) >= ridge_y
    cxx, cyy, cxy = cxx[kept_x][:, kept_x], cyy[kept_y][:, kept_y], cxy[kept_x][:, kept_y]
    root_x, root_y = inverse_root(cxx, ridge_x, null), inverse_root(cyy, ridge_y, null)
    u, _, vt = np.linalg.svd(root_x @ cxy @ root_y)
    k = min(len(cxx), len(cyy))
    if not null:
        k = min(np.linalg.matrix_rank(root_x), np.linalg.matrix_rank(root_y))
    return (u.T @ root_x)[:k], (vt @ root_y)[:k], kept_x, kept_y


def weighted(view, kept, projected, found):
    mean = view.mean(1, keepdims=True)
    k = len(projected)
    basis, _ = np.linalg.qr((projected + mean[kept][:k]).T)
    weights = np.abs(basis.T @ view[kept][:k].T).sum(1)
    return (weights / weights.sum()) @ found


def pwcca(x, y, fitted, both=False):
    a, b, kept_x, kept_y = fitted
    u = a @ (x[kept_x] - x[kept_x].mean(1, keepdims=True))
    v = b @ (y[kept_y] - y[kept_y].mean(1, keepdims=True))
    found = (u * v).sum(1) / np.sqrt((u * u).sum(1) * (v * v).sum(1))
    if both:
        return (weighted(x, kept_x, u, found) + weighted(y, kept_y, v, found)) / 2
    if kept_x.sum() < kept_y.sum():
        return weighted(x, kept_x, u, found)
    return weighted(y, kept_y, v, found)


def score(x, y, of, trials, *, both=False, null=True):
    """The mean test score: views (p, n) and (q, n), the split of each row, and trials as in `lamina`'s."""
    found = []
    for trial in trials:
        train, dev, test = (of != trial.dev) & (of != trial.test), of == trial.dev, of == trial.test
        fits = [fit(x[:, train], y[:, train], *ridges, null) for ridges in trial.ridges]
        best = np.argmax([pwcca(x[:, dev], y[:, dev], each, both) for each in fits])
        found.append(pwcca(x[:, test], y[:, test], fits[best], both))
    return float(np.mean(found))
