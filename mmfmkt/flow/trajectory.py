"""What one run of the flow leaves behind."""

import functools
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Trajectory:
    """The path of one feature from the student (t = 1) to the estimate of the teacher (t = 0).

    Attributes:
        source: the student's feature `X^S`, a map (B, C, H, W) or a vector (B, C).
        velocities: `v_i` of each of the N steps, in the order in which they are taken: first t = 1, that is i = N.
        output: the state at t = 0, `Z_0`: the mean of the endpoints with these weights.
        weights: the share of the way of each step, in the same order, which sum to 1; 1/N for a rectified flow.
    """

    source: Tensor
    velocities: tuple[Tensor, ...]
    output: Tensor
    weights: tuple[float, ...]

    @functools.cached_property
    def endpoints(self) -> tuple[Tensor, ...]:
        """The one-step estimates `X̂_i = X^S - v_i` of the teacher's feature, in the same order; made when asked for."""
        return tuple(self.source - velocity for velocity in self.velocities)
