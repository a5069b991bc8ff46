"""Solvers: how one step of the flow is taken.

A solver states its `order` (the error of the output is proportional to `1 / N^order`) and returns the velocity of a
step, whose endpoint is `X^S` minus that velocity.
"""

from collections.abc import Callable
from typing import ClassVar

from torch import Tensor

Velocity = Callable[[Tensor, float], Tensor]


class Solver:
    """Takes steps; a solver of one's own implements `__call__`."""

    order: ClassVar[int]

    def __call__(self, velocity: Velocity, state: Tensor, start: float, end: float, progress: float) -> Tensor:
        """The velocity, of the shape of `state`, for the step from time `start` down to `end`, both in [0, 1].

        `progress` is the share of the way that the step makes, in (0, 1].
        """
        raise NotImplementedError


class Euler(Solver):
    """One evaluation a step, at its beginning: the paper's solver."""

    order = 1

    def __call__(self, velocity: Velocity, state: Tensor, start: float, end: float, progress: float) -> Tensor:
        return velocity(state, start)


class Heun(Solver):
    """Two evaluations a step, at its beginning and at the end that Euler predicts; their mean."""

    order = 2

    def __call__(self, velocity: Velocity, state: Tensor, start: float, end: float, progress: float) -> Tensor:
        first = velocity(state, start)
        return (first + velocity(state - progress * first, end)) / 2
