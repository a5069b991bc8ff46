r"""Noise schedules: paths `Z_t = alpha(t) X^S + sigma(t) X^T` between the student's feature and the teacher's.

The serial loop of FM-KT has no noise and no `X^T`; what it takes from a schedule is how far along the way from
student to teacher the flow is at time t. Divided by its scale `alpha + sigma`, every path is the straight segment
from `X^S` to `X^T`, and the *progress* on it is the teacher's share `sigma / (alpha + sigma)`:

.. math:: p(t) = \frac{s(t) - s(1)}{s(0) - s(1)}, \qquad s(t) = \frac{\sigma(t)}{\alpha(t) + \sigma(t)}

VP and VE do not quite reach their ends (VP ends at alpha(0) = 0.007; VE starts at a noise level of 100, not infinity),
so `p` is stretched: the flow starts as exactly the student's feature, and its output is a mean of endpoints alone. The
velocities, of which VP's is infinite at t = 1, are not used by the loop. With N = 1 all schedules are one: `Z_0 = X̂_1`.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

EPS = 1e-5  # how close to t = 1 a derivative that is infinite there is evaluated


@dataclass(frozen=True)
class Coefficients:
    """`alpha(t)`, `sigma(t)` and their derivatives, each of the shape of t, float64."""

    alpha: Tensor
    sigma: Tensor
    d_alpha: Tensor
    d_sigma: Tensor


class NoiseSchedule:
    """A path from the student (t = 1) to the teacher (t = 0).

    One's own implements `coefficients`, and is hashable, as a frozen dataclass is. The loop reads alpha and sigma
    alone; the derivatives are for the conversions between ends and `(state, velocity)`, inverses of each other.
    """

    def coefficients(self, t: Tensor) -> Coefficients:
        """The coefficients at times t in [0, 1], float64."""
        raise NotImplementedError

    def __call__(self, t: float | Tensor) -> Coefficients:
        """The coefficients at times t; a ValueError if one lies outside [0, 1]."""
        t = torch.as_tensor(t, dtype=torch.float64)
        if not ((t >= 0) & (t <= 1)).all():
            raise ValueError(f'`t` must lie in [0, 1], where 1 is the student and 0 the teacher, but got {t.tolist()}')
        return self.coefficients(t)

    def progress(self, t: float | Tensor) -> Tensor:
        """How far the flow has come at times t: 0 at t = 1, 1 at t = 0."""
        times = torch.as_tensor(t, dtype=torch.float64)
        c = self(torch.cat([times.reshape(-1), times.new_tensor([1, 0])]))
        share = c.sigma / (c.alpha + c.sigma)
        return ((share[:-2] - share[-2]) / (share[-1] - share[-2])).reshape(times.shape)

    def state(self, source: Tensor, target: Tensor, t: float) -> Tensor:
        """`Z_t = alpha X^S + sigma X^T`."""
        c = self(t)
        return c.alpha * source + c.sigma * target

    def velocity(self, source: Tensor, target: Tensor, t: float) -> Tensor:
        """`v_t = alpha' X^S + sigma' X^T`, the derivative of the state by the time."""
        c = self(t)
        return c.d_alpha * source + c.d_sigma * target

    def source(self, state: Tensor, velocity: Tensor, t: float) -> Tensor:
        """The student's end of the path through `state` with `velocity`."""
        c = self(t)
        return (c.d_sigma * state - c.sigma * velocity) / (c.alpha * c.d_sigma - c.d_alpha * c.sigma)

    def target(self, state: Tensor, velocity: Tensor, t: float) -> Tensor:
        """The teacher's end of the path through `state` with `velocity`."""
        c = self(t)
        return (c.d_alpha * state - c.alpha * velocity) / (c.d_alpha * c.sigma - c.alpha * c.d_sigma)


@dataclass(frozen=True)
class RectifiedFlow(NoiseSchedule):
    """The straight line at constant speed, `alpha = t`, `sigma = 1 - t` (arXiv:2209.03003): steps weigh the same."""

    def coefficients(self, t: Tensor) -> Coefficients:
        one = torch.ones_like(t)
        return Coefficients(t, 1 - t, one, -one)


@dataclass(frozen=True)
class VPODE(NoiseSchedule):
    r"""The variance-preserving path (arXiv:2011.13456, appendix B): the first steps weigh most.

    .. math:: \alpha = e^{-(\beta_{max} - \beta_{min}) (1 - t)^2 / 4 - \beta_{min} (1 - t) / 2}, \quad
        \sigma = \sqrt{1 - \alpha^2}

    Args:
        beta_min: noise rate at the student, above 0.
        beta_max: noise rate at the teacher, above `beta_min`.

    Raises:
        ValueError: if they are out of order.
    """

    beta_min: float = 0.1
    beta_max: float = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.beta_min < self.beta_max:
            raise ValueError(f'VPODE must have 0 < beta_min < beta_max, but got {self.beta_min} and {self.beta_max}')

    def coefficients(self, t: Tensor) -> Coefficients:
        alpha, d_alpha = self._alpha_with_derivative(t)
        near, d_near = self._alpha_with_derivative(t.clamp(max=1 - EPS))
        return Coefficients(alpha, self._sigma(t), d_alpha, -near * d_near / self._sigma(t.clamp(max=1 - EPS)))

    def _exponent(self, t: Tensor) -> Tensor:
        return -(self.beta_max - self.beta_min) * (1 - t) ** 2 / 4 - self.beta_min * (1 - t) / 2

    def _alpha_with_derivative(self, t: Tensor) -> tuple[Tensor, Tensor]:
        alpha = self._exponent(t).exp()
        return alpha, alpha * ((self.beta_max - self.beta_min) * (1 - t) + self.beta_min) / 2

    def _sigma(self, t: Tensor) -> Tensor:
        return (-torch.expm1(2 * self._exponent(t))).sqrt()  # 1 - alpha^2, exact where alpha is near 1


@dataclass(frozen=True)
class VEODE(NoiseSchedule):
    r"""The variance-exploding path (arXiv:2011.13456, appendix B): the steps in the middle weigh most.

    .. math:: \alpha = \sigma_{min} (\sigma_{max} / \sigma_{min})^t, \quad \sigma = 1

    Args:
        sigma_min: noise level at the teacher, above 0.
        sigma_max: noise level at the student, above `sigma_min`.

    Raises:
        ValueError: if they are out of order.
    """

    sigma_min: float = 0.02
    sigma_max: float = 100.0

    def __post_init__(self) -> None:
        low, high = self.sigma_min, self.sigma_max
        if not 0 < low < high:
            raise ValueError(f'VEODE must have 0 < sigma_min < sigma_max, but got {low} and {high}')

    def coefficients(self, t: Tensor) -> Coefficients:
        rate = math.log(self.sigma_max / self.sigma_min)
        alpha = self.sigma_min * (rate * t).exp()
        return Coefficients(alpha, torch.ones_like(t), rate * alpha, torch.zeros_like(t))
