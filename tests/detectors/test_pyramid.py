"""The levels of a detector are found by running it, and matched by stride."""

import pytest
import torch
from detectors import tiny
from mmdet.registry import MODELS
from mmengine.hub import get_config

from mmfmkt.detectors.pyramid import Level, find_pyramid, find_source, match_levels

STRIDES = dict(
    retinanet=[8, 16, 32, 64, 128],
    faster_rcnn=[4, 8, 16, 32, 64],
    yolox=[8, 16, 32],
    yolov3=[32, 16, 8],
    yolof=[32],
    mask_rcnn_swin=[4, 8, 16, 32, 64],
    deformable_detr=[8, 16, 32, 64],
    detr=[32],
    faster_rcnn_c4=[16],
    centernet=[4],
)


@pytest.mark.parametrize('name', STRIDES)
def test_strides_are_those_of_the_detector(name):
    assert [level.stride for level in find_pyramid(MODELS.build(tiny(name)))] == STRIDES[name]


def test_channels_are_those_of_each_level():
    assert [level.channels for level in find_pyramid(MODELS.build(tiny('yolov3')))] == [32, 16, 8]


@pytest.mark.parametrize(
    'name, source', [('retinanet', 'neck'), ('faster_rcnn_c4', 'backbone'), ('libra_retinanet', 'neck')]
)
def test_the_pyramid_comes_from_the_neck_or_else_from_the_backbone(name, source):
    assert find_source(MODELS.build(tiny(name))) == source


def test_looking_leaves_no_trace():
    detector = MODELS.build(tiny('retinanet')).train()
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    modes = [module.training for module in detector.modules()]
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    find_pyramid(detector)
    assert torch.equal(torch.rand(3), expected) and [module.training for module in detector.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())


def test_levels_are_matched_by_stride_whatever_their_order_and_number():
    student = [Level(0, 32, 8), Level(1, 16, 8), Level(2, 8, 8)]
    teacher = [Level(0, 4, 16), Level(1, 8, 16), Level(2, 16, 16), Level(3, 32, 16)]
    assert [(s.index, t.index) for s, t in match_levels(student, teacher)] == [(2, 1), (1, 2), (0, 3)]


def test_of_two_levels_of_one_stride_the_last_is_taken():
    twice = [Level(0, 4, 8), Level(1, 4, 8)]
    assert match_levels(twice, [Level(0, 4, 8)]) == [(twice[1], Level(0, 4, 8))]


def test_detectors_without_a_common_stride_are_refused_with_both_pyramids():
    with pytest.raises(
        ValueError,
        match=r'same stride, but there is none:\s+student: level   stride   channels\s+0 +32 +8\s+'
        r'teacher: level   stride   channels\s+0 +4 +16\s+1 +8 +24\s',
    ):
        match_levels([Level(0, 32, 8)], [Level(0, 4, 16), Level(1, 8, 24)])


def test_a_detector_that_does_not_run_is_refused_with_the_reason(monkeypatch):
    detector = MODELS.build(tiny('retinanet'))
    monkeypatch.setattr(detector, 'extract_feat', lambda images: torch.zeros(1) @ torch.zeros(2))
    with pytest.raises(
        ValueError, match='pyramid of RetinaNet could not be found.* out by hand, .* docs/variants.md#written-out'
    ):
        find_pyramid(detector)


def test_features_that_are_no_maps_are_refused(monkeypatch):
    detector = MODELS.build(tiny('retinanet'))
    monkeypatch.setattr(detector, 'extract_feat', lambda images: (torch.zeros(1, 8),))
    with pytest.raises(ValueError, match=r'must make feature maps \(B, C, H, W\)'):
        find_pyramid(detector)


def test_a_detector_that_is_too_deep_for_a_small_image_gets_a_larger_one():
    ssd = get_config('mmdet::ssd/ssd300_coco.py').model
    ssd.backbone.init_cfg = None
    assert [level.stride for level in find_pyramid(MODELS.build(ssd))][:4] == [8, 16, 32, 64]
