"""The order that each solver states, measured."""

import math

import pytest
import torch

from mmfmkt.flow import VEODE, VPODE, Euler, Heun, RectifiedFlow, transport

SOLVERS = [Euler(), Heun()]
SCHEDULES = [RectifiedFlow(), VPODE(), VEODE()]


def turning(state, t):
    """dZ/dp = -v = Z turned by a right angle: along the whole way, p from 0 to 1, Z turns by one radian."""
    return torch.stack([state[1], -state[0]])


@pytest.mark.parametrize('schedule', SCHEDULES, ids=lambda schedule: type(schedule).__name__)
@pytest.mark.parametrize('solver', SOLVERS, ids=lambda solver: type(solver).__name__)
def test_error_falls_with_the_stated_order(solver, schedule):
    exact = torch.tensor([math.cos(1), math.sin(1)], dtype=torch.float64)
    start = torch.tensor([1.0, 0.0], dtype=torch.float64)
    coarse, fine = ((transport(start, turning, n, schedule, solver).output - exact).norm() for n in (128, 256))
    assert math.log2(coarse / fine) == pytest.approx(solver.order, abs=0.1)


@pytest.mark.parametrize('solver, evaluations', zip(SOLVERS, (4, 8)))
def test_cost_of_four_steps(solver, evaluations):
    times = []
    transport(torch.zeros(1, 2), lambda state, t: times.append(t) or state, 4, solver=solver)
    assert len(times) == evaluations and max(times) == 1.0 and min(times) >= 0.0


def test_heun_and_euler_agree_where_the_velocity_is_constant(source, target):
    euler, heun = (transport(source, lambda state, t: source - target, 3, solver=solver).output for solver in SOLVERS)
    torch.testing.assert_close(euler, heun, rtol=0, atol=1e-14)
