"""Cross-head distillation against the teacher's head itself."""

import copy
import math
import re

import pytest
import torch
from detectors import tiny
from mmdet.registry import MODELS as DETECTORS
from mmdet.structures.bbox import bbox_overlaps
from mmengine.config import Config

from mmfmkt.detectors.towers import TOWERS, last_layers, widths
from mmfmkt.models import CrossHeadLoss
from mmfmkt.models.losses.cross_head_loss import joined, split
from mmfmkt.models.losses.predictions import at_least_a_point, box_length, quality_focal

FAMILIES = ['demo', 'retinanet', 'fcos', 'gfl', 'atss', 'rtmdet']


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
                decoded = [head.bbox_coder.decode(priors[of_level], rows) for rows in boxes]
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


def test_boxes_of_negative_sides_have_a_bounded_distance():
    """RTMDet and FCOS may predict them."""
    boxes = at_least_a_point(torch.tensor([[5.0, 5.0, 3.0, 9.0], [5.0, 5.0, 8.0, 9.0]]))
    assert boxes.tolist() == [[5.0, 5.0, pytest.approx(5.01), 9.0], [5.0, 5.0, 8.0, 9.0]]
    assert bbox_overlaps(boxes, boxes, mode='giou', is_aligned=True).tolist() == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize('family', FAMILIES)
def test_towers_of_one_layer_for_all_levels_or_of_one_for_each(family, root):
    head = detector(family, root).bbox_head
    count = dict(demo=3, rtmdet=3).get(family, 1)
    assert all(len(last_layers(head, tower)) == count for tower in TOWERS) and len(widths(head)) == 1


@pytest.mark.parametrize(
    'student, teacher, reason',
    [
        ('faster_rcnn', 'retinanet', 'the student has no dense head with towers of convolutions, but none'),
        ('retinanet', 'dino', 'the teacher has no dense head with towers of convolutions, but DINOHead'),
        ('retinanet', 'tood', 'the teacher has no dense head with towers of convolutions, but TOODHead'),
        ('retinanet', 'reppoints', 'the boxes of a RepPointsHead are not known here'),
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
