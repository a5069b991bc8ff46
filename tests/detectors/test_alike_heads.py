"""Heads of which one can begin with the weights of the other."""

import re

import pytest
from detectors import SIZES, shrink, tiny
from mmdet.registry import MODELS as DETECTORS
from mmengine.hub import get_config

from mmfmkt.detectors.alike_heads import why_not_alike, why_not_by_itself


def head(family, **changes):
    config = tiny(family)
    config.bbox_head.merge(changes)
    return DETECTORS.build(config).bbox_head


@pytest.mark.parametrize('family', ['retinanet', 'fcos', 'gfl', 'atss', 'rtmdet', 'reppoints', 'vfnet', 'yolof'])
def test_a_head_is_like_one_of_the_same_settings(family):
    assert why_not_alike(head(family), head(family)) is None


def test_settings_that_are_written_otherwise_and_mean_the_same_are_alike():
    coder = dict(target_means=(0, 0, 0, 0), target_stds=(1, 1, 1, 1))
    anchors = dict(octave_base_scale=None, scales_per_octave=None, scales=[4 * 2 ** (k / 3) for k in range(3)])
    assert why_not_alike(head('retinanet'), head('retinanet', bbox_coder=coder, anchor_generator=anchors)) is None


@pytest.mark.parametrize(
    'family, changes, reason',
    [
        (
            'retinanet',
            dict(bbox_coder=dict(target_stds=[0.1, 0.1, 0.2, 0.2])),
            "`bbox_coder` of one is \\('DeltaXYWHBBoxCoder'",
        ),
        (
            'retinanet',
            dict(anchor_generator=dict(octave_base_scale=2)),
            "`prior_generator` of one is \\('AnchorGenerator'",
        ),
        (
            'retinanet',
            dict(anchor_generator=dict(strides=[4, 8, 16, 32, 64])),
            "`prior_generator` of one is \\('AnchorGenerator'",
        ),
        ('fcos', dict(norm_on_bbox=True), '`norm_on_bbox` of one is False, of the other True'),
        ('retinanet', dict(num_classes=3), r'retina_cls.weight of one is \(90, 16, 3, 3\), of the other \(27, 16'),
    ],
)
def test_heads_that_mean_other_boxes_by_the_same_numbers_are_not_alike(family, changes, reason):
    found = why_not_alike(head(family), head(family, **changes))
    assert re.match(reason, found or ''), found


@pytest.mark.parametrize('own, other', [('retinanet', 'free_anchor'), ('atss', 'paa')])
def test_a_head_that_is_trained_otherwise_is_not_like_it(own, other):
    assert why_not_alike(head(own), head(other)).startswith('one is a ')


@pytest.mark.parametrize('family, masks', [('rtmdet_ins', True), ('condinst', True), ('rtmdet', False)])
def test_heads_that_predict_a_part_of_masks_are_not_trained_by_themselves(family, masks):
    assert bool(why_not_by_itself(DETECTORS.build(tiny(family)))) == masks


def test_a_head_whose_detector_changes_the_labels_is_not_trained_by_itself():
    detector = DETECTORS.build(shrink(get_config('mmdet::rpn/rpn_r50_fpn_1x_coco.py').model, SIZES))
    assert why_not_by_itself(detector).startswith('RPN trains its RPNHead in a `loss` of its own')
