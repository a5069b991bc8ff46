"""The serial loop of FM-KT, the same in training and at inference."""
from typing import Callable

from torch import Tensor

from .trajectory import Trajectory


def transport(source: Tensor, velocity: Callable[[Tensor, float], Tensor], num_steps: int) -> Trajectory:
    r"""Carry the student's feature to the teacher's in `num_steps` Euler steps of a rectified flow.

    .. math::
        Z_1 = X^S, \qquad v_i = v(Z_{i/N}, i/N), \qquad
        \hat X_i = X^S - v_i, \qquad Z_{(i-1)/N} = Z_{i/N} - v_i / N, \qquad i = N, \dots, 1

    (serial training, arXiv:2402.02012, section 3). Every step starts from what the steps before it made of the
    student's feature, never from a mixture with the teacher's, so training and inference run the same computation.
    Nothing is detached: gradients reach the student through the state and through `X^S` in every endpoint. For any
    velocity the output is the mean of the endpoints.

    Args:
        source: the student's feature, (B, C, H, W).
        velocity: `v(state, t)` with t in (0, 1], of the state's shape.
        num_steps: N, at least 1.
    """
    state, endpoints = source, []
    for step in range(num_steps, 0, -1):
        v = velocity(state, step / num_steps)
        endpoints.append(source - v)
        state = state - v / num_steps
    return Trajectory(source, tuple(endpoints), state)
