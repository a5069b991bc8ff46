"""The coefficients and conversions of the noise schedules, in float64."""

import pytest
import torch

from mmfmkt.flow import VEODE, VPODE, RectifiedFlow
from mmfmkt.flow.schedules import EPS

SCHEDULES = [RectifiedFlow(), VPODE(), VEODE()]
TIMES = [0.0, 1e-6, 0.25, 0.5, 0.9, 1 - 1e-6, 1.0]


@pytest.fixture(params=SCHEDULES, ids=lambda schedule: type(schedule).__name__)
def schedule(request):
    return request.param


def test_derivatives_are_those_of_autograd(schedule):
    t = torch.linspace(0, 1 - EPS, 101, dtype=torch.float64, requires_grad=True)
    c = schedule(t)
    for value, derivative in ((c.alpha, c.d_alpha), (c.sigma, c.d_sigma)):
        expected = torch.zeros_like(t)
        if value.requires_grad:
            (expected,) = torch.autograd.grad(value.sum(), t, retain_graph=True)
        torch.testing.assert_close(derivative, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize('t', TIMES)
def test_source_and_target_are_the_inverse_of_state_and_velocity(schedule, source, target, t):
    state, velocity = schedule.state(source, target, t), schedule.velocity(source, target, t)
    torch.testing.assert_close(schedule.source(state, velocity, t), source, rtol=0, atol=1e-9)
    torch.testing.assert_close(schedule.target(state, velocity, t), target, rtol=0, atol=1e-9)


@pytest.mark.parametrize('t', TIMES)
def test_state_and_velocity_are_the_inverse_of_source_and_target(schedule, source, target, t):
    state, velocity = source, target  # any two tensors are the state and velocity of some path
    ends = schedule.source(state, velocity, t), schedule.target(state, velocity, t)
    torch.testing.assert_close(schedule.state(*ends, t), state, rtol=0, atol=1e-8)
    torch.testing.assert_close(schedule.velocity(*ends, t), velocity, rtol=0, atol=1e-8)


def test_coefficients_are_finite_on_the_whole_grid(schedule):
    c = schedule(torch.linspace(0, 1, 1001, dtype=torch.float64))
    for values in (c.alpha, c.sigma, c.d_alpha, c.d_sigma):
        assert values.isfinite().all()


def test_progress_rises_from_zero_at_the_student_to_one_at_the_teacher(schedule):
    progress = schedule.progress(torch.linspace(1, 0, 101, dtype=torch.float64))
    assert progress[0] == 0 and progress[-1] == 1 and (progress.diff() > 0).all()


def test_rectified_flow_goes_at_constant_speed():
    assert RectifiedFlow().progress(torch.tensor([1.0, 0.75, 0.5, 0.0])).tolist() == [0.0, 0.25, 0.5, 1.0]


def test_vp_preserves_the_variance_and_has_the_published_end():
    c = VPODE()(torch.linspace(0, 1, 11, dtype=torch.float64))
    torch.testing.assert_close(c.alpha**2 + c.sigma**2, torch.ones(11, dtype=torch.float64), rtol=0, atol=1e-14)
    assert c.alpha[0].item() == pytest.approx(0.0065716, abs=1e-7) and (c.alpha[-1], c.sigma[-1]) == (1, 0)


def test_ve_explodes_from_a_noise_level_of_a_fiftieth_to_a_hundred():
    c = VEODE()(torch.tensor([0.0, 0.5, 1.0]))
    assert c.alpha.tolist() == pytest.approx([0.02, 2**0.5, 100.0]) and c.sigma.tolist() == [1, 1, 1]


def test_schedules_spend_their_progress_differently():
    """The first of four steps is the largest for VP, a middle one for VE."""
    times = torch.tensor([1.0, 0.75, 0.5, 0.25, 0.0])
    assert VPODE().progress(times).diff().argmax() == 0
    assert VEODE().progress(times).diff().argmax() == 2


@pytest.mark.parametrize('t', [-0.1, 1.5, float('nan')])
def test_times_outside_the_unit_interval_are_refused(schedule, t):
    with pytest.raises(
        ValueError, match=r'`t` must lie in \[0, 1\], where 1 is the student and 0 the teacher, but got'
    ):
        schedule(t)


@pytest.mark.parametrize(
    'build', [lambda: VPODE(0.0), lambda: VPODE(beta_max=0.05), lambda: VEODE(-1.0), lambda: VEODE(sigma_max=0.01)]
)
def test_parameters_out_of_order_are_refused(build):
    with pytest.raises(ValueError, match='must have 0 < .* < .*, but got'):
        build()
