"""The serial loop of FM-KT, the same in training and at inference."""

import functools

import torch
from torch import Tensor

from .schedules import NoiseSchedule, RectifiedFlow
from .solvers import Euler, Solver, Velocity
from .trajectory import Trajectory


def transport(
    source: Tensor,
    velocity: Velocity,
    num_steps: int,
    schedule: NoiseSchedule = RectifiedFlow(),
    solver: Solver = Euler(),
) -> Trajectory:
    r"""Carry the student's feature to the teacher's in `num_steps` steps.

    .. math::
        Z_1 = X^S, \qquad v_i = v(Z_{i/N}, i/N), \qquad \hat X_i = X^S - v_i, \qquad
        Z_{(i-1)/N} = Z_{i/N} - w_i v_i, \qquad i = N, \dots, 1

    (serial training, arXiv:2402.02012, section 3), with `w_i` the progress of the step on the schedule, 1/N for a
    rectified flow. Every step starts from what the steps before it made of the student's feature, never from a mixture
    with the teacher's, so training and inference run the same computation. Nothing is detached: gradients reach the
    student through the state and through `X^S` in every endpoint.

    Args:
        source: the student's feature, (B, C, H, W) or (B, C).
        velocity: `v(state, t)` with t in [0, 1], of the state's shape: the displacement from the teacher's feature to
            the student's.
        num_steps: N, at least 1.
        schedule: which share of the way each step makes.
        solver: how a step is taken.

    Raises:
        ValueError: if `num_steps` is less than 1, or if the schedule goes backwards.
    """
    state, velocities, (times, weights) = source, [], time_grid(schedule, num_steps)
    for start, end, weight in zip(times, times[1:], weights):
        v = solver(velocity, state, start, end, weight)
        velocities.append(v)
        state = state - weight * v
    return Trajectory(source, tuple(velocities), state, weights)


@functools.lru_cache(maxsize=256)
def time_grid(schedule: NoiseSchedule, num_steps: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The N + 1 times of a trajectory, 1 down to 0, and the progress of each of its N steps."""
    if num_steps < 1:
        raise ValueError(f'`num_steps` must be an integer of at least 1, but got {num_steps!r}')
    times = tuple(step / num_steps for step in range(num_steps, -1, -1))
    weights = tuple(schedule.progress(torch.tensor(times, dtype=torch.float64)).diff().tolist())
    if not min(weights) > 0:
        steps = f'with {num_steps} steps it grows by {list(weights)}'
        raise ValueError(f"the teacher's share of {schedule} must grow as t falls from 1 to 0, but {steps}")
    return times, weights
