"""What one run of the flow leaves behind."""
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Trajectory:
    """The path of one feature from the student (t = 1) to the estimate of the teacher (t = 0).

    A feature is a map (B, C, H, W) or a vector (B, C).

    Attributes:
        source: the student's feature `X^S`.
        endpoints: the one-step estimate `X̂_i` of the teacher's feature that each of the N steps makes, in the order
            in which the steps are taken: the first is at t = 1, that is i = N.
        output: the state at t = 0, `Z_0`: the mean of the endpoints with these weights.
        weights: how much of the way each step covers, in the same order, N numbers that sum to 1; 1/N each for a
            rectified flow.
    """
    source: Tensor
    endpoints: tuple[Tensor, ...]
    output: Tensor
    weights: tuple[float, ...]
