"""Cross-head distillation against the teacher's head itself."""

import copy
import math
import re

import pytest
import torch
from detectors import batch_for, tiny
from helpers import gradients, total
from mmdet.models.dense_heads import RepPointsHead
from mmdet.registry import MODELS as DETECTORS
from mmdet.structures.bbox import bbox_overlaps
from mmengine.config import Config, ConfigDict
from mmrazor.registry import MODELS

from mmfmkt.detectors.towers import TOWERS, last_layers, widths
from mmfmkt.models import CrossHeadLoss
from mmfmkt.models.losses.cross_head_loss import joined, split
from mmfmkt.models.losses.head_rows import box_length
from mmfmkt.models.metrics.binary_kd import quality_focal
from mmfmkt.pairing.pair import pair_config

FAMILIES = ['demo', 'retinanet', 'fcos', 'gfl', 'atss', 'rtmdet', 'reppoints', 'vfnet']


def detector(family, root, seed=0):
    torch.manual_seed(seed)
    config = Config.fromfile(root / 'configs/demo/retinanet_r18.py').model if family == 'demo' else tiny(family)
    built = DETECTORS.build(config)
    if family != 'rtmdet':  # whose features are almost zero then
        built.init_weights()
    return built.eval().requires_grad_(False)


@pytest.fixture(params=FAMILIES)
def teacher(request, root):
    return detector(request.param, root)


def tower_inputs(model, pyramid):
    """What the last layers of the towers read, level by level, and the outputs of the head."""
    seen = {tower: [] for tower in TOWERS}
    hooks = [
        layer.register_forward_pre_hook(lambda layer, args, tower=tower: seen[tower].append(args[0]))
        for tower in TOWERS
        for layer in last_layers(model.bbox_head, tower)
    ]
    outputs = model.bbox_head(pyramid)
    for hook in hooks:
        hook.remove()
    return [seen[tower] for tower in TOWERS], outputs


def pyramid_of(model, seed=0):
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed))
    return model.extract_feat(images)


def loss_of(teacher, **settings):
    loss = CrossHeadLoss(**settings)
    loss.prepare_from_teacher(teacher)
    return loss


def test_the_head_predicts_what_it_would_from_its_own_towers_and_from_others(teacher):
    own, other = pyramid_of(teacher), pyramid_of(teacher, seed=1)
    features, expected = tower_inputs(teacher, other)
    with joined(teacher.bbox_head, dict(zip(TOWERS, features))):
        outputs = teacher.bbox_head(own)
    first = teacher.bbox_head(own)
    for both, alone, crossed in zip(outputs[:2], first[:2], expected[:2]):
        for level, own_level, other_level in zip(both, alone, crossed):
            assert torch.allclose(level, torch.cat([own_level, other_level]), atol=1e-5)
    assert not any(layer._forward_pre_hooks for tower in TOWERS for layer in last_layers(teacher.bbox_head, tower))


def test_a_student_with_the_teachers_towers_has_no_loss(teacher):
    pyramid = pyramid_of(teacher)
    assert loss_of(teacher)(*tower_inputs(teacher, pyramid)[0], pyramid).abs() < 1e-4


def decode(head, priors, rows, level):
    """Boxes in pixels; RepPoints has corners, seen from a location, in strides."""
    if isinstance(head, RepPointsHead):
        return torch.cat([priors, priors], 1) + head.point_strides[level] * rows
    return head.bbox_coder.decode(priors, rows)


def test_the_loss_is_that_of_the_two_predictions(teacher):
    """Each of the two terms from the outputs of the head, one image and one location after the other."""
    own, other = pyramid_of(teacher), pyramid_of(teacher, seed=1)
    head, (features, crossed) = teacher.bbox_head, tower_inputs(teacher, other)
    outputs = head(own)
    cls = box = confidence = 0.0
    priors = head.prior_generator.grid_priors([level.shape[2:] for level in outputs[0]], device='cpu')
    for of_level, (t, s, tb, sb) in enumerate(zip(outputs[0], crossed[0], outputs[1], crossed[1])):
        for image in range(2):
            logits, of_student = (level[image].permute(1, 2, 0).reshape(-1, head.cls_out_channels) for level in (t, s))
            scores, own_scores = logits.sigmoid(), of_student.sigmoid()
            bce = -(scores * own_scores.log() + (1 - scores) * (1 - own_scores).log())
            cls += ((scores - own_scores).abs() * bce).sum()
            boxes = [level[image].permute(1, 2, 0).reshape(len(logits), -1) for level in (tb, sb)]
            if boxes[0].shape[1] > 4:
                p, q = (rows.reshape(len(rows), 4, -1).softmax(2) for rows in boxes)
                distance = (p * (p / q).log()).sum(2).mean(1)
            else:
                decoded = [decode(head, priors[of_level], rows, of_level) for rows in boxes]
                distance = 1 - bbox_overlaps(*decoded, mode='giou', is_aligned=True)
            weight = scores.max(1).values
            box, confidence = box + (weight * distance).sum(), confidence + weight[weight > 0.05].sum()
    for settings, expected in ((dict(box_weight=0.0), cls), (dict(cls_weight=0.0, loss_weight=2.0), 2 * box)):
        value = loss_of(teacher, **settings)(*features, own)
        assert value.item() == pytest.approx((expected / max(1.0, confidence)).item(), rel=1e-3)


def test_quality_focal_loss_of_one_score():
    """A logit of 0 for a score of 1: half an error, times log 2."""
    assert quality_focal(torch.zeros(1), torch.ones(1), beta=2.0).item() == pytest.approx(0.25 * math.log(2))


def test_predictions_are_split_into_images_of_the_teacher_and_of_the_student():
    level = torch.arange(16.0).reshape(2, 4, 1, 2)  # one image each, two anchors of two numbers, two locations
    first, second = split([level], 1, 2)
    assert first.tolist() == [[0, 2], [4, 6], [1, 3], [5, 7]] and torch.equal(second, first + 8)


def test_the_gradient_goes_to_the_students_features_alone(teacher):
    features, _ = tower_inputs(teacher, pyramid_of(teacher, seed=1))
    features = [[level.clone().requires_grad_() for level in levels] for levels in features]
    loss_of(teacher)(*features, pyramid_of(teacher)).backward()
    assert all(level.grad.isfinite().all() for levels in features for level in levels)
    assert all(any(level.grad.norm() > 0 for level in levels) for levels in features)
    assert all(parameter.grad is None for parameter in teacher.parameters())


@pytest.mark.parametrize('family', FAMILIES)
def test_towers_of_one_layer_for_all_levels_or_of_one_for_each(family, root):
    head = detector(family, root).bbox_head
    count = dict(demo=3, rtmdet=3).get(family, 1)
    assert all(len(last_layers(head, tower)) == count and len(widths(head, tower)) == 1 for tower in TOWERS)


@pytest.mark.parametrize(
    'student, teacher, reason',
    [
        ('faster_rcnn', 'retinanet', 'the student has no dense head with towers of convolutions, but none'),
        ('retinanet', 'dino', 'the teacher has no dense head with towers of convolutions, but DINOHead'),
        ('retinanet', 'tood', 'the teacher has no dense head with towers of convolutions, but TOODHead'),
        ('retinanet', 'foveabox', 'the boxes of a FoveaHead are not known here'),
        ('retinanet', 'reppoints', None),
        ('rtmdet', 'rtmdet', None),
        ('retinanet', 'rtmdet', r'the heads have different strides, \[8, 16, 32, 64, 128\] and \[8, 16, 32\]'),
        ('retinanet', 'demo', r'the heads have different strides'),
        ('rtmdet', 'rtmdet_ins', 'the two towers of a RTMDetInsSepBNHead are one'),
        ('yolox', 'yolox', 'YOLOXHead'),
        ('retinanet', 'ssd', 'the heads|no sigmoid logits'),
        ('fcos', 'retinanet', None),
        ('retinanet', 'gfl', None),
    ],
)
def test_heads_that_cannot_be_crossed_say_why(student, teacher, reason, root):
    found = CrossHeadLoss.misfit(detector(student, root), detector(teacher, root))
    assert (found is None) if reason is None else re.search(reason, found)


def test_the_loss_keeps_neither_weights_of_the_teacher_nor_the_teacher(root):
    model = detector('retinanet', root)
    loss = loss_of(model)
    assert not loss.state_dict() and not list(loss.parameters())
    assert (
        copy.deepcopy(loss).teacher_head() is model.bbox_head
    )  # a copy, for averaged weights, has no teacher of its own
    del model
    assert loss.teacher_head() is None


def test_a_negative_weight_is_refused():
    with pytest.raises(ValueError, match='must be at least 0, but got 1.0, -1, 1.0 and 1.0'):
        CrossHeadLoss(box_weight=-1)


def test_boxes_are_four_numbers_or_four_distributions(root):
    assert box_length(detector('gfl', root).bbox_head) == 4 * 17 and box_length(detector('fcos', root).bbox_head) == 4


def wider(family, channels=24):
    """The config of a student whose towers have other channels."""
    config = tiny(family)
    config.bbox_head.feat_channels = channels
    config.bbox_head.stacked_convs = 2  # so that the last layer reads them
    if 'norm_cfg' in config.bbox_head and config.bbox_head.norm_cfg.type == 'GN':
        config.bbox_head.norm_cfg.num_groups = 4
    return config


@pytest.mark.parametrize('family', ['retinanet', 'gfl', 'rtmdet', 'reppoints'])
def test_towers_of_another_width_are_projected_and_student_and_projection_learn(family, root):
    """The teacher gets no gradient."""
    teacher = detector(family, root)
    student = DETECTORS.build(wider(family))
    assert CrossHeadLoss.misfit(student, teacher) is None
    loss = loss_of(teacher)
    loss.prepare_from_student(student)
    assert {name: tuple(value.shape) for name, value in loss.named_parameters() if name.endswith('weight')} == {
        f'projections.{tower}.weight': (16 if family != 'rtmdet' else 8, 24, 1, 1) for tower in TOWERS
    }
    features, _ = tower_inputs(student, pyramid_of(student))
    loss(*features, pyramid_of(teacher)).backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in loss.parameters())
    first = [getattr(student.bbox_head, tower)[0] for tower in TOWERS]
    assert all(next(layer.parameters()).grad.abs().sum() > 0 for layer in first)
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_projections_by_the_identity_change_nothing(teacher):
    loss, own = loss_of(teacher), pyramid_of(teacher)
    features, _ = tower_inputs(teacher, pyramid_of(teacher, seed=1))
    expected = loss(*features, own)
    for tower in TOWERS:
        (width,) = widths(teacher.bbox_head, tower)
        loss.projections[tower] = torch.nn.Conv2d(width, width, 1)
        torch.nn.init.dirac_(loss.projections[tower].weight)
        torch.nn.init.zeros_(loss.projections[tower].bias)
    torch.testing.assert_close(loss(*features, own), expected)


def test_towers_of_one_width_are_not_projected(teacher):
    loss = loss_of(teacher)
    loss.prepare_from_student(teacher)
    assert not loss.state_dict()


def test_a_tower_of_another_width_at_another_level_is_refused(root):
    student = detector('rtmdet', root)
    student.bbox_head.cls_convs[0][-1] = torch.nn.Conv2d(12, 8, 3)
    found = CrossHeadLoss.misfit(student, detector('rtmdet', root))
    assert found == "the towers of the student's RTMDetSepBNHead have other channels at other levels"


def test_the_projections_are_trained_and_saved_with_the_distiller_and_are_not_deployed(tmp_path):
    """The optimizer gets them; the part of a checkpoint that is the student has no trace of them."""
    checkpoint = tmp_path / 'teacher.pth'
    torch.save(DETECTORS.build(tiny('gfl')).state_dict(), checkpoint)
    pair = pair_config(wider('gfl'), tiny('gfl'), str(checkpoint), 'crosskd')
    model = MODELS.build(ConfigDict(pair)).train()
    kept = {key for key in model.state_dict() if key.startswith('distiller.')}
    assert kept == {
        f'distiller.distill_losses.loss_crosskd.projections.{tower}.{name}'
        for tower in TOWERS
        for name in ('weight', 'bias')
    }
    assert set(model.state_dict()) - kept == set(DETECTORS.build(wider('gfl')).state_dict())
    found = gradients(model, total(model.loss(*batch_for('gfl'))))
    assert kept <= set(found)
