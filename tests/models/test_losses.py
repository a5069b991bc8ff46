import re

import pytest
import torch

from mmfmkt.flow import Trajectory, transport
from mmfmkt.models import FMKTLoss, FMKTThetaLoss

L2 = dict(type='mmrazor.L2Loss', normalize=False)
PKD = dict(type='mmrazor.PKDLoss')


def metric_of(loss):
    return loss.level_metrics[0].metric


def velocity_loss(loss, trajectory, target):
    """The metric between the velocities of the flow and the straight velocity to the teacher."""
    straight = trajectory.source - target
    return sum(metric_of(loss)(trajectory.source - endpoint, straight) for endpoint in trajectory.endpoints) / len(
        trajectory.endpoints)


def test_endpoint_and_velocity_loss_agree_under_l2(source, target, curved):
    loss, trajectory = FMKTLoss(L2), transport(source, curved, 4)
    torch.testing.assert_close(
        loss({0: trajectory}, [target]), velocity_loss(loss, trajectory, target), rtol=1e-12, atol=0)


def test_endpoint_and_velocity_loss_differ_under_pkd(source, target, curved):
    loss, trajectory = FMKTLoss(PKD), transport(source, curved, 4)
    difference = loss({0: trajectory}, [target]) - velocity_loss(loss, trajectory, target)
    assert difference.abs() > 0.01


def test_target_changes_the_loss_and_not_the_output(source, target, curved):
    loss = FMKTLoss(PKD)
    trajectory, again = transport(source, curved, 4), transport(source, curved, 4)
    first, second = loss({0: trajectory}, [target]), loss({0: again}, [target.roll(1, dims=0)])
    assert torch.equal(trajectory.output, again.output) and (first - second).abs() > 1e-3


def test_one_step_is_the_metric_of_the_adaptor(source, target, curved):
    loss = FMKTLoss(PKD, loss_weight=3.0)
    expected = 3.0 * metric_of(loss)(source - curved(source, 1.0), target)
    torch.testing.assert_close(loss({0: transport(source, curved, 1)}, [target]), expected, rtol=1e-12, atol=0)


def test_levels_are_summed_and_matched_by_index(source, target, curved):
    loss, trajectory = FMKTLoss(L2), transport(source, curved, 2)
    once = loss({0: trajectory}, [target])
    twice = loss({0: trajectory, 2: trajectory}, [target, None, target])
    torch.testing.assert_close(twice, 2 * once, rtol=1e-12, atol=0)


@pytest.mark.parametrize('metric', [L2, PKD, dict(type='mmdet.MSELoss'), dict(type='mmdet.L1Loss')])
def test_losses_of_mmrazor_and_mmdet_serve_as_metric(metric, source, target, curved):
    source.requires_grad_()
    FMKTLoss(metric)({0: transport(source, curved, 2)}, [target]).backward()
    assert source.grad.norm() > 0


def test_metric_is_computed_in_float32_under_autocast():
    feature, target = torch.randn(2, 2, 6, 5, 4).bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        loss = FMKTLoss(PKD)({0: Trajectory(feature, (feature, ), feature, (1.0, ))}, [target])
    assert loss.dtype == torch.float32


def test_theta_pulls_the_student_and_not_the_flow(source, target, curved):
    """Without the teacher's term only the pull remains, and it must not move the flow."""
    source.requires_grad_()
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    trajectory = transport(source, lambda state, t: scale * curved(state, t), 4)
    loss = FMKTThetaLoss(L2, student_weight=1.0)
    pull = loss({0: trajectory}, [target]) - FMKTLoss(L2)({0: trajectory}, [target])
    of_source, of_flow = torch.autograd.grad(pull, [source, scale])
    assert of_source.norm() > 0.1 and of_flow.abs() < 1e-12


def test_theta_without_its_own_weight_is_the_plain_loss(source, target, curved):
    trajectory = transport(source, curved, 4)
    plain, theta = FMKTLoss(PKD), FMKTThetaLoss(PKD, student_weight=0.0)
    assert torch.equal(plain({0: trajectory}, [target]), theta({0: trajectory}, [target]))


def test_target_is_not_written_to(source, target, curved):
    before = target.clone()
    FMKTThetaLoss(PKD)({0: transport(source, curved, 4)}, [target])
    assert torch.equal(target, before)


@pytest.mark.parametrize('weights', [dict(loss_weight=-1), dict(student_weight=-1)])
def test_negative_weights_are_refused(weights):
    with pytest.raises(ValueError, match='must be at least 0, but got -1'):
        FMKTThetaLoss(PKD, **weights)


@pytest.mark.parametrize('shape', [(2, 8, 5, 4), (2, 6, 10, 8)], ids=['channels', 'stride'])
def test_other_channels_or_strides_are_refused_with_both_shapes(source, shape, curved):
    with pytest.raises(ValueError, match=re.escape(f'(2, 6, 5, 4) and {shape}')):
        FMKTLoss(PKD)({0: transport(source, curved, 1)}, [torch.zeros(shape)])


def test_a_level_that_the_teacher_lacks_is_refused(source, target, curved):
    with pytest.raises(ValueError, match=r'which has 1, but got \[0, 2\]'):
        FMKTLoss()({0: transport(source, curved, 1), 2: transport(source, curved, 1)}, [target])


def test_pkd_is_the_default_metric(source, target, curved):
    trajectories = {0: transport(source, curved, 2)}
    assert torch.equal(FMKTLoss()(trajectories, [target]), FMKTLoss(PKD)(trajectories, [target]))
