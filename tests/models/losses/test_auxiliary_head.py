"""A second head that is trained along, and that the student's own head follows."""

import copy

import pytest
import torch
from detectors import batch_for, tiny
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import ConfigDict
from mmrazor.registry import MODELS

from mmfmkt.models import AuxiliaryHeadLoss
from mmfmkt.models.losses.loss_dicts import total
from mmfmkt.pairing.auxiliary_head import head_settings
from mmfmkt.pairing.method import Method, read_method
from mmfmkt.pairing.pair import pair_config


@pytest.fixture
def pair(retinanet, teacher_ckpt):
    """A pair of a method with an auxiliary head, whose teacher is of the same kind."""

    def build(method='pkd', auxiliary_head=None, **student):
        architecture = copy.deepcopy(retinanet)
        for name, value in student.items():
            architecture[name] = value
        settings = dict(architecture=architecture, teacher=retinanet, teacher_ckpt=teacher_ckpt, method=method)
        return MODELS.build(dict(type='mmrazor.FMKTPair', auxiliary_head=auxiliary_head or {}, **settings))

    return build


def auxiliary(algorithm):
    return algorithm.distiller.distill_losses['loss_auxiliary']


def test_it_starts_as_the_teachers_head(pair):
    algorithm = pair()
    teacher, own = algorithm.teacher.detector.bbox_head.state_dict(), auxiliary(algorithm).head.state_dict()
    assert own.keys() == teacher.keys() and all(torch.equal(own[key], teacher[key]) for key in own)


@pytest.mark.parametrize('method', ['pkd', 'fmkt'])
def test_without_a_flow_beside_the_student_it_reads_what_the_students_head_reads(pair, batch, method):
    algorithm = pair(method)
    loss, seen = auxiliary(algorithm), {}
    algorithm.architecture.bbox_head.register_forward_pre_hook(lambda head, args: seen.update(student=args[0]))
    loss.head.register_forward_pre_hook(lambda head, args: seen.update(auxiliary=args[0]))
    losses = algorithm.loss(*batch)
    assert losses['distill.loss_auxiliary'] > 0
    assert all(one is other for one, other in zip(seen['student'], seen['auxiliary']))


def test_it_reads_the_output_of_a_flow_beside_the_student_which_runs_once(pair, batch):
    algorithm = pair('fmkt-theta')
    connector, seen = algorithm.distiller.connectors['flow'], []
    for encoder in connector.flow.meta_encoders.values():
        torch.nn.init.normal_(next(iter(encoder.parameters())))
    connector.flow.register_forward_hook(lambda flow, args, output: seen.append(output))
    auxiliary(algorithm).head.register_forward_pre_hook(lambda head, args: seen.append(args[0]))
    losses = algorithm.loss(*batch)
    trajectories, read = seen
    assert all(torch.equal(read[level], trajectory.output) for level, trajectory in trajectories.items())
    assert connector.feature is None and connector.trajectories == {}
    losses['distill.loss_auxiliary'].backward()
    assert any(parameter.grad.any() for parameter in connector.parameters() if parameter.grad is not None)


def test_its_task_alone_is_that_of_the_detector(pair, batch):
    algorithm = pair(auxiliary_head=dict(follow_weight=0.0))
    auxiliary(algorithm).head.load_state_dict(algorithm.architecture.bbox_head.state_dict())
    losses = algorithm.loss(*batch)
    task = sum(part.mean() for name in ('loss_cls', 'loss_bbox') for part in losses[name])
    torch.testing.assert_close(losses['distill.loss_auxiliary'], task)


def test_a_head_that_predicts_what_the_student_does_pulls_it_nowhere(pair, batch):
    algorithm = pair(auxiliary_head=dict(task_weight=0.0))
    auxiliary(algorithm).head.load_state_dict(algorithm.architecture.bbox_head.state_dict())
    assert algorithm.loss(*batch)['distill.loss_auxiliary'].item() == pytest.approx(0, abs=1e-6)


def test_the_student_follows_and_the_auxiliary_head_does_not_come_to_meet_it(pair, batch):
    algorithm = pair(auxiliary_head=dict(task_weight=0.0))
    algorithm.loss(*batch)['distill.loss_auxiliary'].backward()
    assert not any(
        parameter.grad is not None and parameter.grad.any() for parameter in auxiliary(algorithm).head.parameters()
    )
    student = algorithm.architecture.bbox_head
    assert student.retina_cls.weight.grad.abs().sum() > 0 and student.retina_reg.weight.grad.abs().sum() > 0


def test_its_task_reaches_the_students_features_and_not_the_students_head(pair, batch):
    algorithm = pair(auxiliary_head=dict(follow_weight=0.0))
    algorithm.loss(*batch)['distill.loss_auxiliary'].backward()
    assert auxiliary(algorithm).head.retina_cls.weight.grad.abs().sum() > 0
    assert algorithm.architecture.backbone.conv1.weight.grad.abs().sum() > 0
    assert not algorithm.architecture.bbox_head.retina_cls.weight.grad.any()


@pytest.mark.parametrize('family', ['fcos', 'gfl', 'rtmdet'])
def test_students_of_other_families_take_it(family, tmp_path):
    torch.save(DETECTORS.build(tiny(family)).state_dict(), tmp_path / 'teacher.pth')
    config = pair_config(tiny(family), tiny(family), str(tmp_path / 'teacher.pth'), 'pkd', auxiliary_head=True)
    algorithm = MODELS.build(ConfigDict(config)).train()
    loss, _ = algorithm.parse_losses(algorithm.loss(*batch_for(family)))
    loss.backward()
    assert loss.isfinite()


@pytest.mark.parametrize('family, second', [('reppoints', 'reppoints_pts_refine_out'), ('vfnet', 'vfnet_reg_refine')])
def test_a_student_whose_head_has_two_stages_follows_the_second(family, second, tmp_path):
    """It is 0 for equal heads, which predict more in training than at inference."""
    checkpoint = tmp_path / 'teacher.pth'
    torch.save(DETECTORS.build(tiny(family)).state_dict(), checkpoint)
    config = pair_config(tiny(family), tiny(family), str(checkpoint), 'pkd', auxiliary_head=dict(task_weight=0.0))
    algorithm = MODELS.build(ConfigDict(config)).train()
    student = algorithm.architecture.bbox_head
    auxiliary(algorithm).head.load_state_dict(student.state_dict())
    assert algorithm.loss(*batch_for(family))['distill.loss_auxiliary'].item() == pytest.approx(0, abs=1e-6)
    torch.nn.init.normal_(auxiliary(algorithm).head.get_submodule(second).weight)
    assert algorithm.loss(*batch_for(family))['distill.loss_auxiliary'] > 0.01


def test_each_of_two_reppoints_makes_boxes_of_its_points_with_its_own_weight(tmp_path):
    checkpoint = tmp_path / 'teacher.pth'
    torch.save(DETECTORS.build(tiny('reppoints')).state_dict(), checkpoint)
    settings = dict(auxiliary_head=dict(task_weight=0.0))
    algorithm = MODELS.build(ConfigDict(pair_config(*[tiny('reppoints')] * 2, str(checkpoint), 'pkd', **settings)))
    student, other = algorithm.train().architecture.bbox_head, auxiliary(algorithm).head
    other.load_state_dict(student.state_dict())
    other.moment_transfer.data.fill_(0.7)  # the same points are boxes of twice the size
    loss = algorithm.loss(*batch_for('reppoints'))['distill.loss_auxiliary']
    loss.backward()
    assert loss > 0.01 and student.moment_transfer.grad.abs().sum() > 0
    assert other.moment_transfer.grad is None or not other.moment_transfer.grad.any()


def test_what_a_head_logs_besides_its_losses_is_no_loss(tmp_path):
    torch.save(DETECTORS.build(tiny('fsaf')).state_dict(), tmp_path / 'teacher.pth')
    settings = dict(auxiliary_head=dict(follow_weight=0.0))
    algorithm = MODELS.build(
        ConfigDict(pair_config(*[tiny('fsaf')] * 2, str(tmp_path / 'teacher.pth'), 'pkd', **settings))
    )
    auxiliary(algorithm).head.load_state_dict(algorithm.architecture.bbox_head.state_dict())
    losses = algorithm.train().loss(*batch_for('fsaf'))
    assert 'pos_recall' in losses
    torch.testing.assert_close(
        losses['distill.loss_auxiliary'], total({key: losses[key] for key in ('loss_cls', 'loss_bbox')})
    )


def test_the_checkpoint_of_the_student_has_no_trace_of_it(pair, retinanet):
    algorithm = pair()
    kept = {key for key in algorithm.state_dict() if not key.startswith('distiller.')}
    assert kept == set(DETECTORS.build(retinanet).state_dict())
    assert any(key.startswith('distiller.distill_losses.loss_auxiliary.head') for key in algorithm.state_dict())


def test_the_teachers_heads_are_freed_because_it_has_a_copy(pair, batch):
    algorithm = pair()
    algorithm.loss(*batch)
    assert not hasattr(algorithm.teacher.detector, 'bbox_head') and hasattr(auxiliary(algorithm), 'head')


def test_weights_below_0_are_refused():
    with pytest.raises(ValueError, match='of AuxiliaryHeadLoss must be at least 0, but got 1.0, -1 and 1.0'):
        AuxiliaryHeadLoss(follow_weight=-1)


@pytest.mark.parametrize('of_pair, settings', [(False, None), (True, {}), ({}, {}), (dict(beta=2.0), dict(beta=2.0))])
def test_a_pair_has_the_auxiliary_head_that_it_says(retinanet, of_pair, settings):
    detector = DETECTORS.build(retinanet)
    assert head_settings(Method('own'), of_pair, detector, detector) == settings


@pytest.mark.parametrize(
    'student, teacher, reason',
    [
        ('faster_rcnn', 'faster_rcnn', 'the student has no dense head with anchors or points: none'),
        ('rtmdet_ins', 'rtmdet_ins', 'its RTMDetIns.*Head predicts a part of masks'),
        ('retinanet', 'free_anchor', "must be like the student's, but one is a RetinaHead, the other FreeAnchor"),
        ('retinanet', 'fcos', 'one is a RetinaHead, the other FCOSHead'),
        ('retinanet', 'faster_rcnn', 'one is a RetinaHead, the other none'),
        ('retinanet', None, 'one is a RetinaHead, the other none'),
    ],
)
def test_detectors_that_can_have_none_get_an_error(student, teacher, reason):
    detectors = [DETECTORS.build(tiny(name)) if name else None for name in (student, teacher)]
    assert head_settings(Method('own'), False, *detectors) is None
    with pytest.raises(ValueError, match=f'must be left out for these detectors, because .*{reason}'):
        head_settings(Method('own'), True, *detectors)


@pytest.mark.parametrize('method', ['fmkt-logit', 'fmkt-feature-logit'])
def test_a_head_with_a_flow_has_none_beside_it(retinanet, method):
    detector = DETECTORS.build(retinanet)
    with pytest.raises(ValueError, match=f'of {method} must be left out .*lacks the flow in that of the student'):
        head_settings(read_method(method), True, detector, detector)


def test_settings_that_are_none_are_refused():
    with pytest.raises(ValueError, match="must be a dict of settings, True or False, but got 'no'"):
        head_settings(Method('own'), 'no', None, None)


@pytest.mark.parametrize('method', ['fmkt', 'fmkt-theta', 'pkd'])
def test_a_pair_has_none_unless_it_says_so(retinanet, method):
    losses = pair_config(retinanet, retinanet, 'nowhere.pth', method)['distiller']['distill_losses']
    assert 'loss_auxiliary' not in losses
