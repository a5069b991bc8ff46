import copy
import re

import pytest
import torch

from mmfmkt.flow import VEODE, VPODE, RectifiedFlow, Trajectory, transport
from mmfmkt.models import FMKTLoss, OwnOutput, PKDMetric, TeacherTarget
from mmfmkt.models.losses.diagnostics import diagnose

L2 = dict(type='mmrazor.L2Loss', normalize=False)
PKD = dict(type='mmrazor.PKDLoss')
OWN = OwnOutput()


def metric_of(loss):
    return loss.level_metrics[0].metric


def velocity_loss(loss, trajectory, target):
    """The metric between the velocities of the flow and the straight velocity to the teacher."""
    straight = trajectory.source - target
    return sum(metric_of(loss)(trajectory.source - endpoint, straight) for endpoint in trajectory.endpoints) / len(
        trajectory.endpoints
    )


def test_endpoint_and_velocity_loss_agree_under_l2(source, target, curved):
    loss, trajectory = FMKTLoss(L2), transport(source, curved, 4)
    torch.testing.assert_close(
        loss({0: trajectory}, [target]), velocity_loss(loss, trajectory, target), rtol=1e-12, atol=0
    )


def test_endpoint_and_velocity_loss_differ_under_pkd(source, target, curved):
    loss, trajectory = FMKTLoss(PKD), transport(source, curved, 4)
    difference = loss({0: trajectory}, [target]) - velocity_loss(loss, trajectory, target)
    assert difference.abs() > 0.01


def test_one_step_is_the_metric_of_the_adaptor(source, target, curved):
    loss = FMKTLoss(PKD, loss_weight=3.0)
    expected = 3.0 * metric_of(loss)(source - curved(source, 1.0), target)
    torch.testing.assert_close(loss({0: transport(source, curved, 1)}, [target]), expected, rtol=1e-12, atol=0)


def test_levels_are_summed_and_matched_by_index(source, target, curved):
    loss, trajectory = FMKTLoss(L2), transport(source, curved, 2)
    once = loss({0: trajectory}, [target])
    twice = loss({0: trajectory, 2: trajectory}, [target, None, target])
    torch.testing.assert_close(twice, 2 * once, rtol=1e-12, atol=0)


def test_metric_is_computed_in_float32_under_autocast():
    feature, target = torch.randn(2, 2, 6, 5, 4).bfloat16()
    with torch.autocast('cpu', torch.bfloat16):
        loss = FMKTLoss(PKD)({0: Trajectory(feature, (feature,), feature, (1.0,))}, [target])
    assert loss.dtype == torch.float32


def test_theta_pulls_the_student_and_not_the_flow(source, target, curved):
    """Without the teacher's term only the pull remains, and it must not move the flow."""
    source.requires_grad_()
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    trajectory = transport(source, lambda state, t: scale * curved(state, t), 4)
    loss = FMKTLoss(L2, student_weight=1.0)
    pull = loss({0: trajectory}, [target]) - FMKTLoss(L2)({0: trajectory}, [target])
    of_source, of_flow = torch.autograd.grad(pull, [source, scale])
    assert of_source.norm() > 0.1 and of_flow.abs() < 1e-12


def test_theta_without_its_own_weight_is_the_plain_loss(source, target, curved):
    trajectory = transport(source, curved, 4)
    plain, theta = FMKTLoss(PKD), FMKTLoss(PKD, student_weight=0.0)
    assert torch.equal(plain({0: trajectory}, [target]), theta({0: trajectory}, [target]))


def test_target_is_not_written_to(source, target, curved):
    before = target.clone()
    FMKTLoss(PKD, student_weight=1.0)({0: transport(source, curved, 4)}, [target])
    assert torch.equal(target, before)


def test_every_level_may_have_its_own_metric_weight_and_transform(source, target, curved):
    trajectory = transport(source, curved, 2)
    fine, coarse = FMKTLoss(L2, 2.0)({0: trajectory}, [target]), FMKTLoss(PKD, 3.0)({0: trajectory}, [target])
    both = FMKTLoss([L2, PKD], [2.0, 3.0])({0: trajectory, 4: trajectory}, [target] * 5)
    torch.testing.assert_close(both, fine + coarse, rtol=1e-12, atol=0)


@pytest.mark.parametrize('settings', [dict(metric=[PKD, L2], loss_weight=[1.0]), dict(metric=[])])
def test_lists_for_the_levels_of_different_lengths_are_refused(settings):
    with pytest.raises(ValueError, match='lists of settings for each level must be of one length'):
        FMKTLoss(**settings)


def test_lists_for_more_levels_than_the_flow_has_are_refused(source, target, curved):
    with pytest.raises(ValueError, match='for each of the 1 levels, but got 2'):
        FMKTLoss(loss_weight=[1.0, 2.0])({0: transport(source, curved, 1)}, [target])


def test_the_prediction_is_projected_to_the_teachers_channels(source, curved):
    """T runs on the endpoints; the target has other channels and stays as it is."""
    projection = dict(type='mmrazor.ConvModuleConnector', in_channel=6, out_channel=10, act_cfg=None)
    loss = FMKTLoss(L2, transform=projection).double()
    target = torch.randn(2, 10, 5, 4, dtype=torch.float64)
    trajectory = transport(source, curved, 2)
    project = loss.level_metrics[0].transform
    expected = sum(metric_of(loss)(project(endpoint), target) for endpoint in trajectory.endpoints) / 2
    value = loss({0: trajectory}, [target])
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)
    value.backward()
    assert all(parameter.grad.norm() > 0 for parameter in loss.parameters())


def test_a_sequence_of_trajectories_is_one_for_each_level(source, target, curved):
    trajectory, other = transport(source, curved, 2), transport(source, curved, 3)
    loss = FMKTLoss(PKD)
    assert torch.equal(loss([trajectory, other], [target, source]), loss({0: trajectory, 1: other}, [target, source]))


def test_a_single_teacher_tensor_is_a_pyramid_of_one(source, target, curved):
    trajectory = transport(source, curved, 2)
    assert torch.equal(FMKTLoss()([trajectory], target), FMKTLoss()([trajectory], [target]))


@pytest.mark.parametrize('metric', [L2, PKD])
def test_own_teacher_learns_from_the_mean_of_the_steps(source, curved, metric):
    """The target is the mean, and gets no gradient."""
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    trajectory = transport(source, lambda state, t: scale * curved(state, t), 4)
    mean = torch.stack(trajectory.endpoints).mean(0).detach()
    expected = sum(metric_of(FMKTLoss(metric, target=OWN))(endpoint, mean) for endpoint in trajectory.endpoints) / 4
    loss = FMKTLoss(metric, target=OWN)({0: trajectory})
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=0)
    found, wanted = (torch.autograd.grad(value, scale, retain_graph=True)[0] for value in (loss, expected))
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=0)


def test_own_teacher_has_nothing_to_say_in_one_step(source, curved):
    assert FMKTLoss(L2, target=OWN)({0: transport(source, curved, 1)}) == 0


def test_own_teacher_pulls_the_student_in_its_theta_form(source, curved):
    trajectory = transport(source, curved, 4)
    pull = FMKTLoss(L2, student_weight=2.0, target=OWN)({0: trajectory}) - FMKTLoss(L2, target=OWN)({0: trajectory})
    expected = 2.0 * metric_of(FMKTLoss(L2, target=OWN))(source, trajectory.output)
    torch.testing.assert_close(pull, expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize(
    'form',
    [dict(target=OWN), dict(target=OWN, student_weight=1.0), dict(student_weight=1.0)],
    ids=['own', 'own-theta', 'theta'],
)
def test_a_transform_that_trains_gets_no_gradient_from_its_targets(form, source, target, curved):
    """T of a target is a constant: the gradient is that of a loss with a copy of T for the targets."""
    projection = dict(type='mmrazor.ConvModuleConnector', in_channel=6, out_channel=6, act_cfg=None)
    loss = FMKTLoss(L2, transform=projection, **form).double()
    trajectory = transport(source, curved, 2)
    transform, metric = loss.level_metrics[0].transform, metric_of(loss)
    constant = copy.deepcopy(transform)(trajectory.output).detach()
    teacher = constant if 'target' in form else target
    expected = sum(metric(transform(endpoint), teacher) for endpoint in trajectory.endpoints) / 2
    if 'student_weight' in form:
        expected = expected + metric(transform(source), constant)
    value = loss({0: trajectory}, *([] if 'target' in form else [[target]]))
    torch.testing.assert_close(value, expected, rtol=1e-12, atol=0)
    for found, wanted in zip(*(torch.autograd.grad(each, loss.parameters()) for each in (value, expected))):
        torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize('loss_weight', ['10', None])
def test_a_weight_that_is_no_number_is_refused(loss_weight):
    with pytest.raises(ValueError, match=f'`loss_weight` must be a number of at least 0, but got {loss_weight!r}'):
        FMKTLoss(loss_weight=loss_weight)


def test_a_teacher_as_the_target_must_be_handed_over(source, curved):
    with pytest.raises(ValueError, match='whose target is the teacher must get `teacher_features`, but it does not'):
        FMKTLoss(L2)({0: transport(source, curved, 1)})


@pytest.mark.parametrize('target', ['teacher', dict(type='mmrazor.Foo'), dict(type='mmrazor.PKDMetric')])
def test_what_is_no_target_is_refused_with_those_that_there_are(target):
    with pytest.raises(
        ValueError, match='`target` must be the config of a Target, .*OwnOutput, mmrazor.TeacherTarget, but'
    ):
        FMKTLoss(target=target)


def test_diagnostics_of_half_precision_are_finite():
    feature = torch.full((1, 2, 4, 4), 300.0, dtype=torch.float16)
    values = diagnose([feature, -feature], (0.5, 0.5), [feature.sum(), feature.sum()], -feature)
    assert values['output_error'] == values['ambiguity'] == 300**2


@pytest.mark.parametrize('schedule', [RectifiedFlow(), VPODE(), VEODE()])
def test_diagnostics_are_the_steps_and_the_two_terms_of_the_bound(source, target, curved, schedule):
    loss = FMKTLoss(dict(type='mmrazor.L2Loss', normalize=False, div_element=True))
    loss.diagnosing = True
    trajectory = transport(source, curved, 3, schedule)
    value = loss({2: trajectory}, [None, None, target])
    of_level = loss.diagnostics[2]
    steps = [of_level[f'step{step}'] for step in (1, 2, 3)]
    torch.testing.assert_close(sum(steps) / 3, value, rtol=1e-12, atol=0)
    torch.testing.assert_close(
        of_level['output_error'], (trajectory.output - target).square().mean(), rtol=1e-10, atol=0
    )
    bound = sum(weight * step for weight, step in zip(trajectory.weights, steps))
    torch.testing.assert_close(of_level['output_error'] + of_level['ambiguity'], bound, rtol=1e-10, atol=0)
    assert not any(tensor.requires_grad for tensor in of_level.values())


@pytest.mark.parametrize('metric', [L2, PKD])
def test_the_share_that_the_flow_carries_is_that_of_the_distance_in_the_metric(source, target, metric):
    """A flow that goes half of the way has a quarter of the squared distance left; one that arrives has none."""
    for share in (0.0, 0.5, 1.0):
        loss = FMKTLoss(metric)
        loss.diagnosing = True
        trajectory = transport(source, lambda state, t, share=share: share * (source - target), 2)
        loss({0: trajectory}, [target])
        start, end = (metric_of(loss)(feature, target) for feature in (source, trajectory.output))
        torch.testing.assert_close(loss.diagnostics[0]['carried'], 1 - end / start, rtol=0, atol=1e-9)
        if metric is L2 or share != 0.5:
            assert loss.diagnostics[0]['carried'].item() == pytest.approx(1 - (1 - share) ** 2, abs=1e-6)


def test_without_diagnosing_nothing_is_left_behind(source, target, curved):
    loss = FMKTLoss()
    loss({0: transport(source, curved, 2)}, [target])
    assert loss.diagnostics == {}


@pytest.mark.parametrize('weights', [dict(loss_weight=-1), dict(student_weight=-1)])
def test_negative_weights_are_refused(weights):
    with pytest.raises(ValueError, match='must be .*at least 0, but got -1'):
        FMKTLoss(PKD, **weights)


@pytest.mark.parametrize('shape', [(2, 8, 5, 4), (2, 6, 10, 8)], ids=['channels', 'stride'])
def test_other_channels_or_strides_are_refused_with_both_shapes(source, shape, curved):
    with pytest.raises(ValueError, match=re.escape(f'(2, 6, 5, 4) and {shape}')):
        FMKTLoss(PKD)({0: transport(source, curved, 1)}, [torch.zeros(shape)])


def test_a_level_that_the_teacher_lacks_is_refused(source, target, curved):
    with pytest.raises(ValueError, match=r'which has 1, but got \[0, 2\]'):
        FMKTLoss()({0: transport(source, curved, 1), 2: transport(source, curved, 1)}, [target])


def test_a_flow_that_did_not_run_is_refused(target):
    with pytest.raises(ValueError, match='there must be a trajectory, but none was recorded'):
        FMKTLoss()([], [target])


def test_pkd_is_the_default_metric(source, target, curved):
    trajectories = {0: transport(source, curved, 2)}
    assert type(metric_of(FMKTLoss())) is PKDMetric
    torch.testing.assert_close(  # the sums are in another order, and how they round depends on the processor
        FMKTLoss()(trajectories, [target]), FMKTLoss(PKD)(trajectories, [target]), rtol=1e-12, atol=0
    )


def test_levels_are_compared_with_the_levels_of_the_teacher_that_are_named(source, target):
    loss = FMKTLoss(L2, target=TeacherTarget(levels=[2, 0]))
    trajectory = transport(source, lambda state, t: 0 * state, 1)
    both = loss({0: trajectory, 1: trajectory}, [source, None, target])
    assert both == FMKTLoss(L2)({0: trajectory}, [target]) > 0


@pytest.mark.parametrize('teacher_levels', [[0], [0, 3], [-1, 0]])
def test_levels_that_the_teacher_lacks_are_refused(source, target, teacher_levels):
    trajectory = transport(source, lambda state, t: 0 * state, 1)
    with pytest.raises(
        ValueError,
        match=r'every level of the student that is compared, \[0, 1\], must have a level .* which has 3, but got',
    ):
        FMKTLoss(target=TeacherTarget(levels=teacher_levels))({0: trajectory, 1: trajectory}, [target] * 3)


def test_sizes_that_round_otherwise_are_interpolated_and_others_refused():
    feature = torch.linspace(0, 1, 13, dtype=torch.float64)[None, None, :, None].expand(1, 2, 13, 5)
    trajectory = transport(feature, lambda state, t: 0 * state, 1)
    target = torch.linspace(0, 1, 12, dtype=torch.float64)[None, None, :, None].expand(1, 2, 12, 5)
    assert FMKTLoss(dict(type='mmdet.MSELoss'))({0: trajectory}, [target]) < 1e-4  # a ramp stays a ramp
    with pytest.raises(ValueError, match=r'\(1, 2, 13, 5\) and \(1, 2, 11, 5\)'):
        FMKTLoss()({0: trajectory}, [target[:, :, :11]])
