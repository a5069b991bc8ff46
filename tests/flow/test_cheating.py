"""Why the flow is trained serially: the target must not be an input.

Ordinary flow matching trains on `Z_t = alpha X^S + sigma X^T`. A student that says nothing (a constant feature) then
has a perfect loss, because the network reads `X^T` off its input; at inference, where there is no `X^T`, that is
worth nothing. The serial loss of the same student cannot fall below the variance of the teacher's features.
"""

import pytest
import torch
from torch import nn

from mmfmkt.flow import RectifiedFlow, transport

BATCH, DIM = 256, 4


@pytest.fixture
def constant_source():
    return torch.full((BATCH, DIM), 0.5, dtype=torch.float64)


@pytest.fixture
def teacher_features():
    return torch.randn(BATCH, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


class Velocity(nn.Module):
    """A network of the state and the time."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(DIM + 1, 64), nn.Tanh(), nn.Linear(64, DIM)).double()

    def forward(self, state, t):
        return self.layers(torch.cat([state, state.new_full((len(state), 1), t)], 1))


def train(loss, parameters, iterations=400):
    optimizer = torch.optim.Adam(parameters, lr=0.01)
    for _ in range(iterations):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        optimizer.step()
    return value.item()


def test_ordinary_flow_matching_cheats_and_serial_training_does_not(constant_source, teacher_features):
    schedule, times = RectifiedFlow(), (0.25, 0.5, 0.75)
    cheat, honest = Velocity(), Velocity()
    variance = teacher_features.var(0, correction=0).mean().item()

    def flow_matching_loss():
        errors = [
            cheat(schedule.state(constant_source, teacher_features, t), t)
            - schedule.velocity(constant_source, teacher_features, t)
            for t in times
        ]
        return sum(error.square().mean() for error in errors) / len(times)

    def serial_loss():
        endpoints = transport(constant_source, honest, 4).endpoints
        return sum((endpoint - teacher_features).square().mean() for endpoint in endpoints) / 4

    assert train(flow_matching_loss, cheat.parameters()) < 0.05 * variance
    assert variance <= train(serial_loss, honest.parameters()) < 1.05 * variance
    # what the cheat has learned is worth nothing without the target
    blind = transport(constant_source, cheat, 4).output
    assert (blind - teacher_features).square().mean() >= variance


def test_serial_l2_loss_of_a_constant_student_is_at_least_the_teachers_variance(constant_source, teacher_features):
    """For any velocity: nothing that it sees tells the images of the batch apart."""
    variance = teacher_features.var(0, correction=0).mean()
    for seed in range(20):
        torch.manual_seed(seed)
        shift, scale = torch.randn(2, DIM, dtype=torch.float64)
        endpoints = transport(constant_source, lambda state, t: shift * t + scale * state.sin(), 4).endpoints
        assert sum((endpoint - teacher_features).square().mean() for endpoint in endpoints) / 4 >= variance
