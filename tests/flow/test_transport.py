"""The exact identities of the serial loop, in float64."""
import pytest
import torch

from mmfmkt.flow import transport

STEPS = [1, 2, 3, 4, 8, 16]
SHAPE = (2, 6, 5, 4)


@pytest.fixture
def source():
    return torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def target():
    return torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def curved(state, t):
    """A velocity that depends on the state and on the time."""
    return torch.sin(3 * state + t) + t * state.roll(1, dims=1)


@pytest.mark.parametrize('num_steps', STEPS)
def test_output_is_mean_of_endpoints(source, num_steps):
    trajectory = transport(source, curved, num_steps)
    torch.testing.assert_close(trajectory.output, torch.stack(trajectory.endpoints).mean(0), rtol=0, atol=1e-13)


@pytest.mark.parametrize('num_steps', STEPS)
def test_l2_loss_exceeds_the_error_of_the_output_by_the_spread_of_the_endpoints(source, target, num_steps):
    trajectory = transport(source, curved, num_steps)
    endpoints = torch.stack(trajectory.endpoints)
    error_of_output = (trajectory.output - target).square().sum()
    loss = (endpoints - target).square().sum() / num_steps
    spread = (endpoints - trajectory.output).square().sum() / num_steps
    torch.testing.assert_close(error_of_output, loss - spread, rtol=1e-12, atol=0)


def test_one_step_is_a_residual_adaptor(source):
    trajectory = transport(source, curved, 1)
    torch.testing.assert_close(trajectory.output, source - curved(source, 1.0), rtol=0, atol=0)
    assert len(trajectory.endpoints) == 1


def test_constant_velocity_reaches_the_same_end_in_any_number_of_steps(source, target):
    for num_steps in STEPS:
        output = transport(source, lambda state, t: source - target, num_steps).output
        torch.testing.assert_close(output, target, rtol=0, atol=1e-13)


def test_time_runs_from_the_student_down_to_the_teacher(source):
    times = []
    transport(source, lambda state, t: times.append(t) or state, 4)
    assert times == [1.0, 0.75, 0.5, 0.25]


def test_the_error_of_a_step_halves_with_its_size(source):
    """Euler is of first order: for dZ/dt = Z the exact end is Z / e."""
    exact = source * torch.exp(torch.tensor(-1.0, dtype=torch.float64))
    errors = [(transport(source, lambda state, t: state, n).output - exact).norm() for n in (64, 128)]
    assert 1.9 < errors[0] / errors[1] < 2.1


def test_gradient_reaches_the_source_through_every_step(source):
    source.requires_grad_()
    for endpoint in transport(source, curved, 4).endpoints:
        gradient, = torch.autograd.grad(endpoint.sum(), source, retain_graph=True)
        assert gradient.abs().min() > 0


def test_source_is_not_written_to(source):
    before = source.clone()
    transport(source, curved, 4)
    assert torch.equal(source, before)
