"""Boxes of the student's head against those of the teacher's."""

import copy

import pytest
import torch
from detectors import batch_for, tiny
from helpers import gradients, total
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import ConfigDict
from mmrazor.registry import MODELS

from mmfmkt.models import BoxLoss, IoUMetric, LDMetric
from mmfmkt.models.losses.head_rows import in_pixels, rows_of
from mmfmkt.pairing.method import read_method
from mmfmkt.pairing.pair import pair_config

FAMILIES = ['retinanet', 'fcos', 'gfl', 'atss', 'vfnet', 'rtmdet', 'reppoints']
LD = dict(type='mmrazor.LDMetric')


def detector(config, seed=0):
    torch.manual_seed(seed)
    built = DETECTORS.build(tiny(config) if isinstance(config, str) else config)
    built.init_weights()
    return built


def outputs_of(model, seed=0, size=64):
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(seed))
    return model.bbox_head(model.extract_feat(images))


def loss_of(student, teacher, **settings):
    loss = BoxLoss(**settings)
    loss.prepare_from_teacher(teacher)
    loss.prepare_from_student(student)
    return loss


def predicted(head, outputs, images):
    """The boxes that a detector would report, of all anchors: those of MMDetection, without a border of the image."""
    return head.predict_by_feat(
        *outputs,
        batch_img_metas=[dict(img_shape=(1e6, 1e6), scale_factor=(1.0, 1.0))] * images,
        cfg=ConfigDict(nms_pre=-1, min_bbox_size=-1, score_thr=-1.0),
        rescale=False,
        with_nms=False,
    )


@pytest.mark.parametrize('family', FAMILIES)
def test_boxes_in_pixels_are_those_that_mmdet_predicts(family):
    """Where no side is cut off at the border, which the points of the middle see to."""
    model = detector(family).eval()
    head, outputs = model.bbox_head, outputs_of(model, size=256)
    boxes = in_pixels(head, [level.shape[2:] for level in outputs[0]], 2, rows_of(head, outputs)[1])
    found, expected = set(), set()
    for row in boxes.round(decimals=2).tolist():
        if min(row) > 0:
            found.add(tuple(row))
    for result in predicted(head, outputs, 2):
        expected |= {tuple(row) for row in result.bboxes.round(decimals=2).tolist() if min(row) > 0}
    assert len(expected) > 100 and len(found & expected) > 0.99 * len(expected)


@pytest.mark.parametrize('family', ['fcos', 'reppoints', 'vfnet'])
def test_a_head_in_training_predicts_the_boxes_that_it_does_at_inference(family):
    """FCOS with normalised boxes multiplies them by the stride at inference alone; others add a second stage."""
    config = tiny(family)
    if family == 'fcos':
        config.bbox_head.norm_on_bbox = True
    model = detector(config).eval()
    boxes = []
    for training in (True, False):
        head = model.bbox_head.train(training)
        outputs = outputs_of(model)
        boxes.append(in_pixels(head, [level.shape[2:] for level in outputs[0]], 2, rows_of(head, outputs)[1]))
    torch.testing.assert_close(*boxes, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize('weighting', ['teacher', 'difference'])
@pytest.mark.parametrize('family', FAMILIES)
def test_a_student_that_is_the_teacher_has_no_loss(family, weighting):
    model = detector(family).eval()
    outputs = outputs_of(model)
    assert loss_of(model, model, weighting=weighting)(outputs, outputs).abs() < 1e-6


@pytest.mark.parametrize('metric', [None, LD], ids=['iou', 'ld'])
@pytest.mark.parametrize('weighting', ['teacher', 'difference'])
def test_the_loss_is_the_weighted_sum_of_the_metric_over_the_teachers_confidence(metric, weighting):
    """One level, image and location after the other."""
    student, teacher = detector('gfl').eval(), detector('gfl', seed=1).eval()
    torch.nn.init.normal_(teacher.bbox_head.gfl_cls.bias)  # so that it is sure of something
    own, other = outputs_of(student), outputs_of(teacher)
    summed = confidence = 0.0
    for level, stride in enumerate((8, 16, 32, 64, 128)):
        for image in range(2):
            height, width = own[0][level].shape[2:]
            for y in range(height):
                for x in range(width):
                    s, t = (outputs[0][level][image, :, y, x].sigmoid() for outputs in (own, other))
                    b, c = (outputs[1][level][image, :, y, x][None] for outputs in (own, other))
                    if metric:
                        distance = LDMetric()(b, c)
                    else:
                        sides = [(rows.reshape(4, 17).softmax(1) * torch.arange(17)).sum(1) * stride for rows in (b, c)]
                        center = torch.tensor([x * stride, y * stride] * 2)  # of an anchor
                        boxes = [center + side * torch.tensor([-1, -1, 1, 1]) for side in sides]
                        distance = IoUMetric()(*(box[None] for box in boxes))
                    best = t.max()
                    summed += (best if weighting == 'teacher' else (t - s).abs().max()) * distance
                    confidence += best if best > 0.05 else 0.0
    value = loss_of(student, teacher, metric=metric, weighting=weighting, loss_weight=3.0)(own, other)
    assert confidence > 2
    torch.testing.assert_close(value, 3 * summed[0] / confidence, rtol=1e-4, atol=0)


def test_boxes_of_heads_of_another_kind_are_compared_in_pixels():
    """FCOS and ATSS have one point or anchor a location, with the same strides."""
    student, teacher = detector('fcos').train(), detector('atss').eval()
    assert BoxLoss.misfit(student, teacher) is None
    value = loss_of(student, teacher)(outputs_of(student), outputs_of(teacher))
    assert value.isfinite() and value > 0


@pytest.mark.parametrize('family', FAMILIES)
def test_the_gradient_reaches_the_boxes_of_the_student_and_not_the_teacher(family):
    student, teacher = detector(family).train(), detector(family, seed=1).eval()
    own, other = outputs_of(student), outputs_of(teacher)
    loss_of(student, teacher)(own, other).backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    found = {name for name, parameter in student.bbox_head.named_parameters() if parameter.grad is not None}
    assert any(name.startswith('reg_convs') for name in found)
    assert not any(name.startswith('cls_convs') for name in found)
    assert all(parameter.grad.isfinite().all() for parameter in student.parameters() if parameter.grad is not None)


def test_the_difference_of_scores_is_no_way_to_lower_the_loss():
    """It is a weight, without a gradient."""
    student, teacher = detector('retinanet').train(), detector('retinanet', seed=1).eval()
    loss_of(student, teacher, weighting='difference')(outputs_of(student), outputs_of(teacher)).backward()
    assert student.bbox_head.retina_cls.weight.grad is None
    assert student.bbox_head.retina_reg.weight.grad.abs().sum() > 0


@pytest.mark.parametrize('method', ['bckd', 'ld'])
def test_a_method_trains_a_student_by_its_two_losses(method, tmp_path):
    checkpoint = tmp_path / 'teacher.pth'
    torch.save(detector('gfl', seed=1).state_dict(), checkpoint)
    model = MODELS.build(ConfigDict(pair_config(tiny('gfl'), tiny('gfl'), str(checkpoint), method))).train()
    losses = model.loss(*batch_for('gfl'))
    assert losses['distill.loss_box'] > 0 and losses['distill.loss_logit'] > 0
    found = gradients(model, total(losses))
    assert found.keys() == {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert not list(model.distiller.parameters())


def test_a_box_loss_stands_beside_the_logits_of_kd(retinanet, teacher_ckpt):
    """As docs/loss.md has it."""
    read = {f'{side}_outputs': dict(recorder='head', from_student=side == 'student') for side in ('student', 'teacher')}
    beside = dict(
        distill_losses=dict(loss_box=dict(type='mmrazor.BoxLoss', metric=dict(type='mmrazor.IoUMetric'))),
        loss_forward_mappings=dict(loss_box=read),
    )
    config = pair_config(retinanet, retinanet, teacher_ckpt, 'kd', loss=dict(loss_weight=2.0), distiller=beside)
    assert config['distiller']['distill_losses']['loss_logit']['loss_weight'] == 2.0
    model = MODELS.build(ConfigDict(config))
    assert model.loss(*batch_for('retinanet'))['distill.loss_box'].isfinite()


@pytest.mark.parametrize('method, first', [('ld', 'loss_box'), ('bckd', 'loss_logit')])
def test_the_first_loss_is_the_one_that_a_pair_sets(method, first):
    assert next(iter(read_method(method).distiller['distill_losses'])) == first


@pytest.mark.parametrize(
    'method, student, teacher, reason',
    [
        ('ld', 'retinanet', 'retinanet', 'the student predicts boxes by no distributions of their sides'),
        ('bckd', 'faster_rcnn', 'faster_rcnn', 'the student has no dense head with anchors or points: none'),
        ('bckd', 'retinanet', 'gfl', 'the heads have different anchors a location, 9 and 1'),
        ('bckd', 'yolox', 'yolox', 'the boxes of a YOLOXHead are not known here'),
        ('bckd', 'tood', 'tood', "the scores of the student's TOODHead are no sigmoid logits"),
    ],
)
def test_a_method_that_does_not_fit_says_why(method, student, teacher, reason):
    found = read_method(method).misfit(*(DETECTORS.build(tiny(name)) for name in (student, teacher)))
    assert found is not None and reason in found


def test_a_metric_that_does_not_fit_is_refused_when_the_distillation_is_built(retinanet, teacher_ckpt):
    loss = dict(distill_losses=dict(loss_box=dict(metric=dict(_delete_=True, **LD))))
    with pytest.raises(
        ValueError, match=r'loss_box \(LDMetric\) must fit student and teacher, but the student predicts'
    ):
        MODELS.build(ConfigDict(pair_config(retinanet, retinanet, teacher_ckpt, 'bckd', distiller=loss)))


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(weighting='all'), "`weighting` of BoxLoss must be 'teacher' or 'difference', but got 'all'"),
        (dict(loss_weight=-1), '`loss_weight` of BoxLoss must be a number of at least 0, but got -1'),
        (
            dict(metric=dict(type='mmrazor.L1Loss')),
            '`metric` must be the config of a BoxMetric, .*IoUMetric, .*LDMetric',
        ),
    ],
)
def test_settings_that_there_are_not_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        BoxLoss(**settings)


def test_the_loss_keeps_neither_detector():
    student, teacher = detector('retinanet'), detector('retinanet')
    loss = loss_of(student, teacher)
    assert not loss.state_dict() and copy.deepcopy(loss).student_head() is student.bbox_head
    del student, teacher
    assert loss.student_head() is None and loss.teacher_head() is None
