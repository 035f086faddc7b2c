"""How a view's variance spreads over directions: whitening, and how many dimensions are in use.

Conventions: spectra are eigenvalues of a covariance. Both counts of dimensions lie between 1 and the rank and are
invariant to shifts, rotations and the scale of the view, not to other linear maps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lamina.errors import LaminaError

TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """The eigendecomposition of a view's covariance: how to whiten it at any ridge.

    Attributes:
        values: (rank,) eigenvalues kept, ascending.
        vectors: (p, rank) their eigenvectors.
        scale: mean variance of the view's dimensions, what ridges are relative to.
    """

    values: Tensor
    vectors: Tensor
    scale: float

    @classmethod
    def of(cls, covariance: Tensor) -> Spectrum:
        """Decompose a covariance (p, p); directions below `TOLERANCE` of the largest are dropped.

        A dimension that does not vary, or repeats others, is dropped that way: ``len(values)`` says how many stay.

        Raises:
            LaminaError: it is not finite, or no dimension varies.
        """
        bad = int((~torch.isfinite(torch.diagonal(covariance))).sum())
        if bad or not bool(torch.isfinite(covariance).all()):
            raise LaminaError(
                f"{bad} of {len(covariance)} dimensions of a view hold values that are not finite: look for NaN "
                "or overflow in the states"
            )
        values, vectors = torch.linalg.eigh(covariance)
        keep = values > TOLERANCE * values[-1].clamp_min(1e-300)
        if not bool(keep.any()):
            raise LaminaError("no dimension of a view varies: there is nothing to correlate")
        return cls(values[keep], vectors[:, keep], float(torch.diagonal(covariance).mean()))

    def leading(self, share: float) -> Spectrum:
        """The fewest leading directions that hold a share of the variance (SVCCA, Raghu et al. 2017, section 2).

        Raises:
            LaminaError: the share is not above 0 and at most 1.
        """
        if not 0 < share <= 1:
            raise LaminaError(f"a share of variance lies above 0 and up to 1, not at {share:g}")
        if share == 1:
            return self
        held = self.values.flip(0).cumsum(0)
        number = min(int((held < share * held[-1]).sum()) + 1, len(held))
        return Spectrum(self.values[-number:], self.vectors[:, -number:], self.scale)

    def whitener(self, ridge: float) -> Tensor:
        """(p, rank) matrix whose transpose whitens the view."""
        return self.vectors * (self.values + ridge * self.scale).rsqrt()


def effective_rank(covariance: Tensor) -> float:
    """``exp`` of the entropy of the normalised eigenvalues (Roy and Vetterli 2007, "The effective rank", eq. 3-4).

    They define it on the singular values of a matrix: here the matrix is the covariance (p, p), whose singular
    values are the variances along principal directions (others take square roots of these and find more).

    Raises:
        LaminaError: it is not finite, or no dimension varies.
    """
    shares = _shares(covariance)
    return float(torch.special.entr(shares).sum().exp())


def participation_ratio(covariance: Tensor) -> float:
    """``(sum e)^2 / sum e^2`` of the eigenvalues e of a covariance (p, p) (Gao et al. 2017, "A theory of
    multineuronal dimensionality"); no eigendecomposition is needed: ``tr(C)^2 / |C|^2``.

    Raises:
        LaminaError: it is not finite, or no dimension varies.
    """
    trace, square = float(torch.diagonal(covariance).sum()), float(covariance.square().sum())
    if not trace > 0 or not square < float("inf"):
        _shares(covariance)
    return trace * trace / square


def _shares(covariance: Tensor) -> Tensor:
    values = Spectrum.of(covariance).values
    return values / values.sum()
