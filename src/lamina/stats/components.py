"""Principal components of a view whose dimensions are standardised, and what is left of moments in them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lamina.stats.moments import ClassMoments, Moments
from lamina.stats.scaling import ROUNDING
from lamina.stats.spectrum import Spectrum


@dataclass(frozen=True, slots=True, eq=False)
class PrincipalAxes:
    """The leading eigenvectors of a view's correlations.

    Of correlations, not of covariances: else the widest dimensions would be the components, whatever they say.

    Attributes:
        mean: (p,) that is taken off.
        directions: (p, k) what multiplies the rest; the most variance first.
        share: how much of the variance of the standardised dimensions they hold.
    """

    mean: Tensor
    directions: Tensor
    share: float

    @classmethod
    def of(cls, stats: Moments | ClassMoments, count: int) -> PrincipalAxes:
        """At most ``count`` of them, from the moments of the rows that choose.

        Raises:
            LaminaError: values are not finite, or no dimension varies.
        """
        covariance = stats.sxx / stats.n
        variance = torch.diagonal(covariance)
        largest = (stats.mean_x.square() + variance).max()
        scale = torch.where(variance > ROUNDING**2 * largest, variance.clamp_min(1e-300).rsqrt(), 0.0)
        spectrum = Spectrum.of(covariance * scale * scale[:, None])
        values, vectors = spectrum.values.flip(0), spectrum.vectors.flip(1)
        share = float(values[:count].sum() / values.sum())
        return cls(stats.mean_x, vectors[:, :count] * scale[:, None], share)

    def rows(self, x: Tensor) -> Tensor:
        """(n, k) of rows x (n, p), float64."""
        return (x.double() - self.mean) @ self.directions

    def classes(self, stats: ClassMoments) -> ClassMoments:
        """The moments of `rows`, from those of x."""
        turned = (stats.mean_x - self.mean) @ self.directions, self._turned(stats.sxx)
        return ClassMoments(stats.n, *turned, stats.counts, stats.sums @ self.directions)

    def pairs(self, stats: Moments) -> Moments:
        """The same where the other view is no classes."""
        sxy = self.directions.T @ stats.sxy
        mean = (stats.mean_x - self.mean) @ self.directions
        return Moments(stats.n, mean, stats.mean_y, self._turned(stats.sxx), sxy, stats.syy)

    def _turned(self, sxx: Tensor) -> Tensor:
        return self.directions.T @ sxx @ self.directions
