"""The exact identities of the serial loop, in float64."""

import pytest
import torch

from mmfmkt.flow import VEODE, VPODE, Euler, Heun, NoiseSchedule, RectifiedFlow, transport
from mmfmkt.flow.schedules import Coefficients

STEPS = [1, 2, 3, 4, 8, 16]
SCHEDULES = [RectifiedFlow(), VPODE(), VEODE()]


@pytest.fixture(params=SCHEDULES, ids=lambda schedule: type(schedule).__name__)
def schedule(request):
    return request.param


@pytest.fixture(params=[Euler(), Heun()], ids=lambda solver: type(solver).__name__)
def solver(request):
    return request.param


@pytest.mark.parametrize('num_steps', STEPS)
def test_output_of_a_rectified_flow_is_the_mean_of_the_endpoints(source, num_steps, curved):
    trajectory = transport(source, curved, num_steps)
    torch.testing.assert_close(trajectory.output, torch.stack(trajectory.endpoints).mean(0), rtol=0, atol=1e-13)


@pytest.mark.parametrize('num_steps', STEPS)
def test_output_is_the_weighted_mean_of_the_endpoints(source, num_steps, curved, schedule, solver):
    trajectory = transport(source, curved, num_steps, schedule, solver)
    weights = torch.tensor(trajectory.weights, dtype=torch.float64)
    assert weights.min() > 0 and abs(weights.sum() - 1) < 1e-14 and len(trajectory.endpoints) == num_steps
    mean = (weights[:, None, None, None, None] * torch.stack(trajectory.endpoints)).sum(0)
    torch.testing.assert_close(trajectory.output, mean, rtol=0, atol=1e-13)


@pytest.mark.parametrize('num_steps', STEPS)
def test_l2_error_of_the_steps_exceeds_that_of_the_output_by_their_spread(
    source, target, num_steps, curved, schedule, solver
):
    trajectory = transport(source, curved, num_steps, schedule, solver)
    error_of_output = (trajectory.output - target).square().sum()
    bound, spread = (
        sum(
            weight * (endpoint - centre).square().sum()
            for weight, endpoint in zip(trajectory.weights, trajectory.endpoints)
        )
        for centre in (target, trajectory.output)
    )
    torch.testing.assert_close(error_of_output, bound - spread, rtol=1e-10, atol=0)
    assert spread > 0 or num_steps == 1


def test_l2_loss_bounds_the_negative_log_likelihood_of_the_target(source, target, curved):
    """With a Gaussian of any variance around the output, for Euler steps of a rectified flow."""
    trajectory = transport(source, curved, 4)
    for variance in (0.1, 1.0, 10.0):
        of_output, *of_steps = (
            torch.distributions.Normal(mean, variance**0.5).log_prob(target).mean()
            for mean in (trajectory.output, *trajectory.endpoints)
        )
        assert -of_output < -sum(of_steps) / 4


def test_one_step_is_a_residual_adaptor_whatever_the_schedule(source, curved, schedule):
    trajectory = transport(source, curved, 1, schedule)
    torch.testing.assert_close(trajectory.output, source - curved(source, 1.0), rtol=0, atol=1e-15)
    assert len(trajectory.endpoints) == 1


def test_constant_velocity_reaches_the_same_end_in_any_number_of_steps(source, target, schedule, solver):
    for num_steps in STEPS:
        output = transport(source, lambda state, t: source - target, num_steps, schedule, solver).output
        torch.testing.assert_close(output, target, rtol=0, atol=1e-13)


@pytest.mark.parametrize('num_steps', range(1, 17))
def test_values_and_gradients_are_finite(source, target, num_steps, curved, schedule, solver):
    source = source.float().requires_grad_()
    trajectory = transport(source, curved, num_steps, schedule, solver)
    loss = sum((endpoint - target).square().mean() for endpoint in trajectory.endpoints)
    (gradient,) = torch.autograd.grad(loss, source)
    for tensor in (*trajectory.endpoints, trajectory.output, gradient):
        assert tensor.isfinite().all() and tensor.abs().max() < 1e4
    assert trajectory.output.dtype == torch.float32


def test_intermediate_states_lie_on_the_schedules_path_up_to_its_scale(source, target, schedule):
    """Under the velocity to a fixed end, Z_t is `alpha X^S + sigma X^T` divided by `alpha + sigma`.

    VP meets it exactly at t = 1; the ends of the grid are stretched by what is missing at t = 0 (and for VE at 1).
    """
    states = []
    transport(source, lambda state, t: states.append(state) or source - target, 4, schedule)
    for state, t in zip(states, (1.0, 0.75, 0.5, 0.25)):
        c = schedule(t)
        on_path = schedule.state(source, target, t) / (c.alpha + c.sigma)
        torch.testing.assert_close(state, on_path, rtol=0, atol=0.02 * (source - target).abs().max().item())


@pytest.mark.parametrize('num_steps', [0, -2])
def test_less_than_one_step_is_refused(source, curved, num_steps):
    with pytest.raises(ValueError, match=f'`num_steps` must be an integer of at least 1, but got {num_steps}'):
        transport(source, curved, num_steps)


def test_a_schedule_that_goes_backwards_is_refused(source, curved):
    class Backwards(NoiseSchedule):
        def coefficients(self, t):
            return Coefficients(t, 1 - t + 2 * (t > 0.4) * (t < 0.6), torch.ones_like(t), -torch.ones_like(t))

    with pytest.raises(ValueError, match='must grow as t falls from 1 to 0, but with 4 steps it grows by'):
        transport(source, curved, 4, Backwards())


def test_time_runs_from_the_student_down_to_the_teacher(source):
    times = []
    transport(source, lambda state, t: times.append(t) or state, 4)
    assert times == [1.0, 0.75, 0.5, 0.25]


def test_gradient_reaches_the_source_through_every_step(source, curved):
    source.requires_grad_()
    for endpoint in transport(source, curved, 4).endpoints:
        (gradient,) = torch.autograd.grad(endpoint.sum(), source, retain_graph=True)
        assert gradient.abs().min() > 0


def test_source_is_not_written_to(source, curved):
    before = source.clone()
    transport(source, curved, 4)
    assert torch.equal(source, before)
