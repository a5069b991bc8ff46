"""Distillation without a flow: levels of two pyramids, and logits."""

import pytest
import torch
from detectors import CLASSES, CONFIGS, SIZES, shrink, tiny
from mmdet.registry import MODELS as DETECTORS
from mmengine.hub import get_config
from mmrazor.registry import MODELS

from mmfmkt.flow import transport
from mmfmkt.models import BinaryKDMetric, CrossHeadLoss, FeatureLoss, FMKTLoss, LogitLoss, SharedQueryLoss
from mmfmkt.pairing.method import read_method

L2 = dict(type='mmrazor.L2Loss', normalize=False, div_element=True)


def test_it_is_fm_kts_loss_without_a_flow(source, target):
    standing = transport(source, lambda state, t: 0 * state, 4)
    for metric in (L2, dict(type='mmrazor.PKDMetric'), dict(type='mmrazor.ChannelWiseDivergence')):
        expected = FMKTLoss(metric, 3.0)([standing], [target])
        assert FeatureLoss(metric, 3.0)([source], [target]).item() == pytest.approx(expected.item())


def test_levels_are_chosen_and_weighed_by_themselves(source, target):
    loss = FeatureLoss(L2, loss_weight=[2.0, 5.0], levels=(0, 2), teacher_levels=(1, 0))
    value = loss((source, None, 2 * source), (2 * target, target))
    expected = 2 * (source - target).square().mean() + 5 * (2 * source - 2 * target).square().mean()
    assert value.item() == pytest.approx(expected.item())


def test_all_levels_are_compared_by_default_and_a_tensor_is_a_pyramid_of_one(source, target):
    one = FeatureLoss(L2)(source, target)
    assert FeatureLoss(L2)([source, source], [target, target]).item() == pytest.approx(2 * one.item())


def test_a_level_that_the_student_lacks_is_refused(source, target):
    with pytest.raises(
        ValueError, match=r"`levels` of the loss must be levels of the student's pyramid, \[0\], but got \[0, 1\]"
    ):
        FeatureLoss(L2, levels=(0, 1))(source, target)


def test_fitnets_regress_the_teachers_features(source, target):
    regression = dict(type='mmrazor.ConvModuleConnector', in_channel=6, out_channel=6, act_cfg=None)
    loss = FeatureLoss(L2, transform=regression).double()
    (convolution,) = (module for module in loss.modules() if isinstance(module, torch.nn.Conv2d))
    torch.nn.init.dirac_(convolution.weight)
    torch.nn.init.constant_(convolution.bias, 2.0)
    assert loss(source, target).item() == pytest.approx((source + 2 - target).square().mean().item())


def test_mgd_generates_from_what_is_not_masked(source, target):
    """Nothing masked, and convolutions that are the identity on positive features."""
    connector = dict(type='mmrazor.MGDConnector', student_channels=6, teacher_channels=6, lambda_mgd=0.0)
    loss = FeatureLoss(dict(type='mmrazor.MGDLoss', alpha_mgd=0.5), transform=connector).double()
    for convolution in (module for module in loss.modules() if isinstance(module, torch.nn.Conv2d)):
        torch.nn.init.dirac_(convolution.weight)
        torch.nn.init.zeros_(convolution.bias)
    expected = 0.5 * (source.abs() - target).square().sum() / 2
    assert loss(source.abs(), target).item() == pytest.approx(expected.item())


@pytest.fixture
def head():
    """A dense head of two classes and nine anchors, in its detector."""
    return DETECTORS.build(tiny('retinanet', num_classes=2))


def test_the_rows_of_logits_are_the_anchors_of_all_levels(head):
    loss = LogitLoss(dict(type='mmrazor.L2Loss', normalize=False, div_element=True))
    loss.prepare_from_student(head)
    student, teacher = ([torch.randn(2, 18, 4, 4), torch.randn(2, 18, 2, 2)] for _ in range(2))
    rows = loss.rows(student)
    assert rows.shape == (2 * 9 * (16 + 4), 2)
    assert torch.equal(rows[0], student[0][0, :2, 0, 0]) and torch.equal(rows[1], student[0][0, 2:4, 0, 0])
    assert torch.equal(rows[-1], student[1][1, 16:, 1, 1])
    entries = sum(level.numel() for level in student)
    expected = sum((own - other).square().sum() for own, other in zip(student, teacher)) / entries
    assert loss(student, teacher).item() == pytest.approx(expected.item(), rel=1e-5)


def test_logits_of_proposals_are_rows_already():
    student, teacher = torch.randn(2, 5, 3)
    loss = LogitLoss(dict(type='mmrazor.KLDivergence'), loss_weight=2.0)
    p, q = teacher.softmax(1), student.softmax(1)
    assert loss(student, teacher).item() == pytest.approx((2 * (p * (p / q).log()).sum() / 5).item(), rel=1e-5)


def test_kd_of_dense_heads_counts_anchors_on_objects():
    """Two anchors that the teacher is sure of among a thousand that it is sure are background."""
    teacher, student = torch.full((1000, 4), -30.0), torch.full((1000, 4), -30.0)
    teacher[:2, 1], student[:2, 1] = 30.0, 0.0
    value = BinaryKDMetric(reduction='objects')(student, teacher)
    assert value.item() == pytest.approx(torch.tensor(2.0).log().item(), rel=1e-3)
    assert BinaryKDMetric()(student, teacher).item() == pytest.approx(value.item() * 2 / 1000, rel=1e-3)


def test_an_unknown_reduction_is_refused():
    with pytest.raises(ValueError, match="`reduction` of BinaryKDMetric must be 'mean' or 'objects', but got 'sum'"):
        BinaryKDMetric(reduction='sum')


@pytest.mark.parametrize(
    'student, teacher, reason',
    [
        ('retinanet', 'retinanet_x101', None),
        ('gfl', 'atss', None),
        ('faster_rcnn', 'mask_rcnn_swin', None),
        ('fcos', 'retinanet', 'the heads have different anchors a location, 1 and 9'),
        ('retinanet', 'faster_rcnn', 'has a dense head, the other a box head for proposals'),
        ('faster_rcnn', 'cascade_rcnn', 'the teacher has a CascadeRoIHead, with more than one box head'),
        ('atss', 'tood', "the scores of the teacher's TOODHead are no sigmoid logits"),
        ('dino', 'dino', 'the student has no dense head with anchors or points: DINOHead'),
        ('rtmdet', 'gfl', 'the heads have different strides'),
        ('yolov3', 'yolov3', 'the student has no dense head'),
        ('ssd', 'ssd', "the scores of the student's SSDHead are no sigmoid logits"),
        ('yolox', 'yolox', None),
    ],
)
def test_logits_that_do_not_belong_together_say_why(student, teacher, reason):
    found = LogitLoss.misfit(*(DETECTORS.build(tiny(name)) for name in (student, teacher)))
    assert found is None if reason is None else reason in found


@pytest.mark.parametrize(
    'loss', [dict(type='CrossEntropyLoss', use_sigmoid=True), dict(type='SeesawLoss', num_classes=CLASSES)]
)
def test_box_heads_whose_scores_are_no_softmax_are_refused(loss):
    student, teacher = tiny('faster_rcnn'), tiny('faster_rcnn')
    teacher.roi_head.bbox_head.loss_cls = loss
    detectors = [DETECTORS.build(config) for config in (student, teacher)]
    for misfit in (LogitLoss.misfit, *(read_method(name).misfit for name in ('kd', 'fmkt-logit-theta'))):
        assert misfit(*detectors) == "the scores of the teacher's Shared2FCBBoxHead are no softmax logits"


def test_a_box_head_that_predicts_several_objects_for_a_proposal_is_refused():
    model = get_config('mmdet::crowddet/crowddet-rcnn_r50_fpn_8xb2-30e_crowdhuman.py').model
    crowds = DETECTORS.build(shrink(model, SIZES))
    assert "student's MultiInstanceBBoxHead predicts several objects for a" in LogitLoss.misfit(crowds, crowds)


@pytest.mark.parametrize('student', CONFIGS)
def test_no_detector_is_too_strange_for_the_question_whether_it_fits(student, root):
    detector, teachers = (
        DETECTORS.build(tiny(student)),
        [DETECTORS.build(tiny(name)) for name in ('retinanet', 'faster_rcnn')],
    )
    for other in (detector, *teachers):
        for loss in (LogitLoss, CrossHeadLoss, SharedQueryLoss):
            for pair in ((detector, other), (other, detector)):
                assert loss.misfit(*pair) is None or isinstance(loss.misfit(*pair), str)


def test_one_class_has_no_distribution():
    head = DETECTORS.build(tiny('retinanet', num_classes=1))
    LogitLoss(dict(type='mmrazor.BinaryKDMetric')).prepare_from_student(head)
    with pytest.raises(
        ValueError, match='must be a BinaryKDMetric for a dense head of one class, .* but got DISTLoss; take'
    ):
        LogitLoss(dict(type='mmrazor.DISTLoss')).prepare_from_student(head)


def test_logits_of_maps_that_round_otherwise_are_resized(head):
    loss = LogitLoss(dict(type='mmrazor.L2Loss', normalize=False, div_element=True))
    loss.prepare_from_student(head)
    level = torch.linspace(0, 1, 13).expand(2, 18, 12, 13)
    teacher = torch.linspace(0, 1, 12).expand(2, 18, 12, 12)
    assert loss([level], [teacher]) < 1e-3


def test_a_negative_weight_of_logits_is_refused():
    with pytest.raises(ValueError, match='`loss_weight` must be a number of at least 0'):
        MODELS.build(dict(type='mmrazor.LogitLoss', metric=dict(type='mmrazor.KLDivergence'), loss_weight=-1.0))
