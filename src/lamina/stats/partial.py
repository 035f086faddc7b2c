"""Partial canonical correlation, and what two views explain of a third: from joint moments, fitted and held out.

With a view z that is given, x and y are replaced by what their regressions on z leave (Rao 1969, "Partial
canonical correlations"): ``Cxy.z = Cxy - Cxz Czz^-1 Czy``, and alike ``Cxx.z`` and ``Cyy.z``; then as in
`lamina.stats.cca`.
Regressions and directions are learned on training rows and applied to others. Explained variance is split as in
commonality analysis (Newton and Spurrell 1967): with R2 of y on x, on z and on both, x alone adds
``R2(xz) - R2(z)``, z alone ``R2(xz) - R2(x)``, and ``R2(x) + R2(z) - R2(xz)`` is common to them; held out, any of
them may be below zero.

Conventions: a ridge is relative to the mean variance of x, or of what is left of it; z takes none: dimensions of z
that do not vary or repeat others are dropped and counted. Directions of x or y of which z leaves less than
`LEFT` of their view's largest variance count as explained by it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lamina.errors import LaminaError
from lamina.stats.moments import Moments
from lamina.stats.spectrum import Spectrum

LEFT = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """What was learned of x and y with z given.

    Attributes:
        a: (p + m, k) directions of x beside z, with what z explains of x taken off.
        b: (q, k) directions of y.
        off: (m, k) what z explains of y's projections.
        predictors: of y from x, from z and from both: (p + m, q) each.
        dropped: dimensions of z without variance of their own.
    """

    a: Tensor
    b: Tensor
    off: Tensor
    predictors: tuple[Tensor, Tensor, Tensor]
    dropped: int

    @classmethod
    def of(cls, joint: Moments, p: int, ridge: float) -> Partial:
        """Learn from the moments of (x beside z) and y.

        Args:
            joint: x and z are its first view, of p + m dimensions.
            p: dimensions of x.
            ridge: relative.

        Raises:
            LaminaError: z explains all of x or of y, a view does not vary, or something is not finite.
        """
        c, cross, cyy = joint.sxx / joint.n, joint.sxy / joint.n, joint.syy / joint.n
        cxx, cxz, czz, cxy, czy = c[:p, :p], c[:p, p:], c[p:, p:], cross[:p], cross[p:]
        z = Spectrum.of(czz)
        white = z.whitener(0.0)
        of_x, of_y = (white @ (white.T @ each) for each in (cxz.T, czy))
        left_x = _left(cxx - cxz @ of_x, cxx, "states")
        left_y = _left(cyy - czy.T @ of_y, cyy, "target")
        left_xy = cxy - cxz @ of_y
        white_x, white_y = left_x.whitener(ridge), left_y.whitener(0.0)
        u, _, vt = torch.linalg.svd(white_x.T @ left_xy @ white_y, full_matrices=False)
        a, b = white_x @ u, white_y @ vt.T
        alone = Spectrum.of(cxx).whitener(ridge)
        more = white_x @ (white_x.T @ left_xy)
        nothing_x, nothing_z = torch.zeros_like(cxy), torch.zeros_like(czy)
        predictors = (
            torch.cat([alone @ (alone.T @ cxy), nothing_z]),
            torch.cat([nothing_x, of_y]),
            torch.cat([more, of_y - of_x @ more]),
        )
        return cls(torch.cat([a, -of_x @ a]), b, of_y @ b, predictors, len(czz) - len(z.values))

    def held_out(self, test: Moments) -> Held:
        """The sums of other rows, from their moments."""
        m = len(self.off)
        sww, swy, syy = test.sxx, test.sxy, test.syy
        uu = (self.a * (sww @ self.a)).sum(0)
        vv = (self.b * (syy @ self.b)).sum(0) - 2 * (self.off * (swy[-m:] @ self.b)).sum(0)
        vv = vv + (self.off * (sww[-m:, -m:] @ self.off)).sum(0)
        uv = (self.a * (swy @ self.b - sww[:, -m:] @ self.off)).sum(0)
        total = float(syy.trace())
        errors = [
            total - 2 * float((each * swy).sum()) + float((each * (sww @ each)).sum()) for each in self.predictors
        ]
        return Held(torch.stack([uu, vv, uv]).numpy(), np.array([total, *errors]))


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """Sums of held-out rows.

    Attributes:
        projections: (3, k) squares of either side's projections, and their products.
        squares: (4,) y's own, and the errors of y from x, from z and from both.
    """

    projections: NDArray[np.float64]
    squares: NDArray[np.float64]


def partial_correlations(held: list[Held], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(weightings, k) held-out partial correlations of parts that count (weightings, parts) times.

    Directions of different fits are matched by rank; where ranks differ, k is the smallest. A direction that does
    not vary counts as 0.
    """
    k = min(each.projections.shape[1] for each in held)
    sums = np.einsum("rp,pfk->frk", weights, np.stack([each.projections[:, :k] for each in held]))
    product = np.clip(sums[0], 0, None) * np.clip(sums[1], 0, None)
    found = np.where(product > 0, sums[2] / np.sqrt(np.where(product > 0, product, 1)), 0.0)
    return np.asarray(np.clip(found, -1, 1))


def explained(held: list[Held], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """(weightings, 3) held-out shares of y's variance that x, z and both explain."""
    squares = weights @ np.stack([each.squares for each in held])
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(1 - squares[:, 1:] / squares[:, :1])


def _left(left: Tensor, whole: Tensor, what: str) -> Spectrum:
    """How what is left of a view whitens.

    Raises:
        LaminaError: nothing is.
    """
    bound = LEFT * float(torch.linalg.eigvalsh(whole)[-1])
    if not bool(torch.isfinite(left).all()):
        return Spectrum.of(left)
    values, vectors = torch.linalg.eigh(left)
    keep = values > bound
    if not bool(keep.any()):
        raise LaminaError(
            f"the given view explains all of the {what}: nothing is left to measure; give a smaller view, "
            "or use a corpus of more labels"
        )
    return Spectrum(values[keep], vectors[:, keep], float(values[keep].mean()))
