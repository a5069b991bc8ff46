"""What one run of the flow leaves behind."""
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Trajectory:
    """The path of one feature map from the student (t = 1) to the estimate of the teacher (t = 0).

    Attributes:
        source: the student's feature `X^S`, (B, C, H, W).
        endpoints: the one-step estimate `X̂_i` of the teacher's feature that each of the N steps makes, in the order
            in which the steps are taken (t = 1 first), N x (B, C, H, W).
        output: the state at t = 0, `Z_0`, (B, C, H, W).
    """
    source: Tensor
    endpoints: tuple[Tensor, ...]
    output: Tensor
