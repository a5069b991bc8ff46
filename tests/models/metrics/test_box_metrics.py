"""Metrics between boxes and between the distributions of their sides."""

import math

import pytest
import torch
from detectors import tiny
from mmdet.registry import MODELS as DETECTORS
from mmdet.structures.bbox import bbox_overlaps
from mmrazor.registry import MODELS

from mmfmkt.models import IoUMetric, LDMetric, QualityFocalMetric
from mmfmkt.models.metrics.box_metrics import at_least_a_point

SQUARE = torch.tensor([[0.0, 0.0, 2.0, 2.0]], dtype=torch.float64)


def logits(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    'box, iou, giou',
    [
        ([0, 0, 2, 2], 0, 0),
        ([1, 0, 3, 2], 1 - 1 / 3, 1 - 1 / 3),  # the hull is the union
        ([1, 1, 3, 3], 1 - 1 / 7, 1 - (1 / 7 - 2 / 9)),
        ([4, 0, 6, 2], 1, 1 + 4 / 12),  # they do not touch
    ],
)
def test_the_overlap_of_two_squares_is_that_by_hand(box, iou, giou):
    other = torch.tensor([box], dtype=torch.float64)
    assert IoUMetric('iou')(SQUARE, other).item() == pytest.approx(iou, abs=1e-6)
    assert IoUMetric()(SQUARE, other).item() == pytest.approx(giou, abs=1e-6)


def test_boxes_that_do_not_touch_are_pulled_together_by_giou_alone():
    box = torch.tensor([[4.0, 0.0, 6.0, 2.0]], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(IoUMetric()(box, SQUARE).sum(), box)
    assert gradient[0, 0] > 0  # its left side moves to the left
    (gradient,) = torch.autograd.grad(IoUMetric('iou')(box, SQUARE).sum(), box)
    assert not gradient.any()


def test_boxes_of_negative_sides_have_a_bounded_distance():
    """RTMDet and FCOS may predict them."""
    boxes = at_least_a_point(torch.tensor([[5.0, 5.0, 3.0, 9.0], [5.0, 5.0, 8.0, 9.0]]))
    assert boxes.tolist() == [[5.0, 5.0, pytest.approx(5.01), 9.0], [5.0, 5.0, 8.0, 9.0]]
    assert bbox_overlaps(boxes, boxes, mode='giou', is_aligned=True).tolist() == pytest.approx([1.0, 1.0])


def test_the_divergence_of_distributions_of_two_distances_is_that_by_hand():
    """Three sides agree; the teacher is sure of the fourth to 3 : 1, the student does not know."""
    teacher = torch.tensor([[0, 0, 0, 0, 0, 0, math.log(3), 0]], dtype=torch.float64)
    by_hand = (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)) / 4
    student = torch.zeros_like(teacher)
    assert LDMetric(temperature=1.0)(student, teacher).item() == pytest.approx(by_hand, rel=1e-12)
    assert LDMetric(temperature=2.0)(2 * student, 2 * teacher).item() == pytest.approx(4 * by_hand, rel=1e-12)


def test_it_is_mmdets_localization_distillation_times_the_number_of_distances():
    student, teacher = logits(5, 4 * 17), logits(5, 4 * 17, seed=1)
    loss = MODELS.build(dict(type='mmdet.KnowledgeDistillationKLDivLoss', T=10))
    of_sides = loss(student.reshape(-1, 17), teacher.reshape(-1, 17), reduction_override='none')
    expected = 17 * of_sides.reshape(5, 4).mean(1)
    torch.testing.assert_close(LDMetric(temperature=10.0)(student, teacher), expected, rtol=1e-10, atol=0)


def test_equal_distributions_have_no_distance_whatever_is_added_to_their_logits():
    teacher = logits(3, 4, 8)
    student = (teacher + logits(3, 4, 1, seed=1)).requires_grad_()
    distance = LDMetric()(student.flatten(1), teacher.flatten(1))
    assert distance.abs().max() < 1e-12
    assert torch.autograd.grad(distance.sum(), student)[0].abs().max() < 1e-12


@pytest.mark.parametrize(
    'student, teacher, reason',
    [
        ('gfl', 'gfl', None),
        ('retinanet', 'gfl', 'the student predicts boxes by no distributions of their sides, .*: RetinaHead'),
        ('gfl', 'atss', 'the teacher predicts boxes by no distributions of their sides, .*: ATSSHead'),
        ('faster_rcnn', 'gfl', 'the student predicts boxes by no distributions of their sides, .*: none'),
    ],
)
def test_heads_without_distributions_are_refused_with_the_reason(student, teacher, reason):
    found = LDMetric.misfit(*(DETECTORS.build(tiny(name)) for name in (student, teacher)))
    if reason is None:
        assert found is None
    else:
        assert found is not None
        with pytest.raises(ValueError, match=reason):
            raise ValueError(found)


def test_distributions_that_end_elsewhere_are_refused():
    shorter = tiny('gfl')
    shorter.bbox_head.reg_max = 8
    found = LDMetric.misfit(DETECTORS.build(shorter), DETECTORS.build(tiny('gfl')))
    assert found == 'the distributions of the heads have different `reg_max`, 8 and 16'


def test_the_quality_focal_metric_of_one_anchor_is_that_by_hand():
    """The student says 1/2, the teacher 3/4 and 1/4: half of the two errors of 1/4 each times log 2, by 3/4 at most."""
    teacher = torch.tensor([[math.log(3), -math.log(3)]], dtype=torch.float64)
    student = torch.zeros_like(teacher)
    assert QualityFocalMetric()(student, teacher).item() == pytest.approx(2 * 0.25 * math.log(2), rel=1e-12)
    assert QualityFocalMetric(beta=2.0)(student, teacher).item() == pytest.approx(2 * 0.0625 * math.log(2), rel=1e-12)


@pytest.mark.parametrize('beta', [0.0, 0.5, 1.0, 2.0])
def test_the_gradient_of_the_quality_focal_metric_is_finite_where_scores_are_equal(beta):
    student = torch.tensor([[0.3, -1.0]], requires_grad=True)
    QualityFocalMetric(beta)(student, torch.tensor([[0.3, 2.0]])).backward()
    assert student.grad.isfinite().all() and student.grad.any()


def test_the_quality_focal_metric_divides_by_the_scores_that_the_teacher_reports():
    """The sum of 0.75 four times; anchors of a score below 0.05 do not count."""
    teacher = torch.tensor([[math.log(3)]] * 4 + [[-9.0]] * 100, dtype=torch.float64)
    student = teacher.clone()
    student[0] = 0.0
    assert QualityFocalMetric()(student, teacher).item() == pytest.approx(0.25 * math.log(2) / 3, rel=1e-12)
    assert QualityFocalMetric()(teacher, teacher) == 0


@pytest.mark.parametrize(
    'build, message',
    [
        (lambda: IoUMetric('diou'), "`mode` of IoUMetric must be 'giou' or 'iou', but got 'diou'"),
        (lambda: LDMetric(0), '`temperature` of LDMetric must be above 0, but got 0'),
        (lambda: QualityFocalMetric(-1), '`beta` of QualityFocalMetric must be at least 0, but got -1'),
    ],
)
def test_settings_out_of_range_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
