"""ONNX graphs that end at boxes, compared with MMDetection's own predictions."""

import copy
import json
from functools import partial

import cv2
import mmcv
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from detectors import HIDDEN, WIDTH, tiny
from helpers import wake
from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config
from mmengine.dataset import Compose
from torch import nn

from mmfmkt.deploy.onnx import export_onnx
from mmfmkt.deploy.onnx.candidates import Candidates, best, suppress
from mmfmkt.deploy.onnx.metadata import KEY, metadata_of
from mmfmkt.deploy.onnx.verify_boxes import partners, predictions
from mmfmkt.deploy.predictors import prepare

FAMILIES = ('retinanet', 'fcos', 'gfl', 'atss', 'rtmdet', 'yolox', 'faster_rcnn', 'faster_rcnn_c4')


def with_spread_scores(detector):
    """Random weights with which boxes of every size and score are found, so that an NMS has work."""
    torch.manual_seed(0)
    last = {}
    for name, module in detector.named_modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight)
            if ('_cls' in name or '_reg' in name) and 'convs' not in name:
                last[module] = '_cls' in name
    for module, of_scores in last.items():
        module.register_forward_hook(partial(rescale, std=1.5 if of_scores else 0.5, mean=-1.0 if of_scores else 0.0))
    images = torch.randn(2, 3, 128, 128)
    with torch.no_grad():
        predictions(detector.eval(), images)
    for module in last:
        module._forward_hooks.clear()
    return detector


def rescale(module, args, output, std, mean):
    """Change a layer, once, so that its outputs have this deviation and mean."""
    if not hasattr(module, 'rescaled') and output.numel() and output.std() > 0:
        module.weight.data *= std / output.std()
        nn.init.constant_(module.bias, mean)
        module.rescaled = True


@pytest.fixture
def export(tmp_path):
    """Export the boxes of a detector with random weights: its config -> the detector and a session of onnxruntime."""

    def build_and_export(model, shape=None, **cfg):
        cfg.setdefault('test_dataloader', dict(dataset=dict(pipeline=[])))
        detector = with_spread_scores(DETECTORS.build(copy.deepcopy(model)))
        if 'MetaEncoder' in str(model):
            wake(detector, std=0.1)
        torch.save(dict(state_dict=detector.state_dict()), tmp_path / 'weights.pth')
        out = tmp_path / 'detector.onnx'
        export_onnx(Config(dict(model=model, **cfg)), str(tmp_path / 'weights.pth'), str(out), shape, boxes=True)
        return detector, onnxruntime.InferenceSession(str(out), providers=['CPUExecutionProvider'])

    return build_and_export


def assert_same_boxes(session, detector, images):
    boxes, scores, labels = map(torch.from_numpy, session.run(None, dict(images=images.numpy())))
    with torch.no_grad():
        wanted = predictions(detector, images)
    for of_image in range(len(images)):
        there, expected = labels[of_image] >= 0, wanted[of_image][: scores.shape[1]]
        assert there.sum() == len(expected) > 5
        assert torch.allclose(scores[of_image][there], expected.scores, atol=1e-5)
        deviations = partners(
            boxes[of_image][there], scores[of_image][there], labels[of_image][there], expected, max(images.shape[2:])
        )
        assert deviations.max() < 1e-4


@pytest.mark.parametrize('family', FAMILIES)
def test_onnxruntime_finds_what_the_detector_predicts_for_any_batch_and_size(family, export):
    detector, session = export(tiny(family))
    torch.manual_seed(1)
    assert [output.name for output in session.get_outputs()] == ['boxes', 'scores', 'labels']
    assert_same_boxes(session, detector, torch.randn(2, 3, 128, 160))
    assert_same_boxes(session, detector, torch.randn(3, 3, 192, 96))


@pytest.mark.parametrize('family, part', [('retinanet', 'neck'), ('gfl', 'bbox_head'), ('faster_rcnn', 'roi_head')])
def test_the_flow_of_fmkt_is_in_the_graph(family, part, export):
    model = tiny(family)
    encoder = dict(type='mmrazor.LightMetaEncoder', channels=WIDTH)
    if part == 'neck':
        flow = dict(levels=(0, 1), num_steps=2, meta_encoder=encoder)
        model.neck = dict(type='mmdet.FlowNeck', neck=model.neck, flow=flow)
    elif part == 'bbox_head':
        model.bbox_head = dict(
            type='mmdet.FlowHead', head=model.bbox_head, flow=dict(num_steps=2, meta_encoder=encoder)
        )
    else:
        encoder = dict(type='mmrazor.MLPMetaEncoder', channels=HIDDEN)
        flow = dict(num_steps=2, meta_encoder=encoder)
        model.roi_head.bbox_head = dict(type='mmdet.FlowHead', head=model.roi_head.bbox_head, flow=flow)
    detector, session = export(model)
    assert_same_boxes(session, detector, torch.randn(1, 3, 128, 128))


def test_height_and_width_can_be_fixed(export):
    detector, session = export(tiny('retinanet'), shape=(100, 128))
    assert session.get_inputs()[0].shape == ['batch', 3, 128, 128]
    assert_same_boxes(session, detector, torch.randn(2, 3, 128, 128))


def test_the_graph_has_operators_of_onnx_alone(export, tmp_path):
    export(tiny('faster_rcnn'))
    model = onnx.load(tmp_path / 'detector.onnx')
    assert {'NonMaxSuppression', 'RoiAlign', 'TopK'} <= {node.op_type for node in model.graph.node}
    assert {node.domain for node in model.graph.node} <= {'', 'ai.onnx'}


def test_what_is_not_there_has_the_score_zero_and_the_label_minus_one(export):
    model = tiny('retinanet')
    model.test_cfg.score_thr = 0.999999
    _, session = export(model)
    boxes, scores, labels = session.run(None, dict(images=torch.zeros(1, 3, 64, 64).numpy()))
    absent = labels == -1
    assert absent.any() and not scores[absent].any() and not boxes[absent].any()


def test_the_file_says_how_images_become_inputs(export):
    resize = dict(type='Resize', scale=(1333, 800), keep_ratio=True)
    pad = dict(type='Pad', size=(1333, 1333), pad_val=dict(img=(114, 114, 114)))
    pipeline = [dict(type='LoadImageFromFile'), resize, pad, dict(type='PackDetInputs')]
    dataset = dict(type='CocoDataset', metainfo=dict(classes=('cat', 'dog')), pipeline=pipeline)
    _, session = export(tiny('retinanet'), test_dataloader=dict(dataset=dict(type='RepeatDataset', dataset=dataset)))
    settings = json.loads(session.get_modelmeta().custom_metadata_map[KEY])
    assert settings == dict(
        classes=['cat', 'dog'],
        color_type='color',
        size=[1333, 800],
        keep_ratio=True,
        interpolation='bilinear',
        backend='cv2',
        pad=[1333, 1333],
        pad_value=[114, 114, 114],
        mean=pytest.approx([123.675, 116.28, 103.53]),
        std=pytest.approx([58.395, 57.12, 57.375]),
        channels='rgb',
        divisor=32,
        fill=0,
    )


@pytest.mark.parametrize(
    'family, reason',
    [
        ('dino', 'it is a DINO'),
        ('reppoints', 'a RepPointsHead decodes its boxes in a way of its own'),
        ('cascade_rcnn', 'its RoI head is a CascadeRoIHead'),
        ('paa', 'a PAAHead decodes its boxes in a way of its own'),
    ],
)
def test_other_detectors_are_refused_with_those_that_are_known(family, reason, export):
    with pytest.raises(ValueError, match=f'must be one of RetinaNet, FCOS, .* but .*{reason}.*; without boxes'):
        export(tiny(family))


def test_rois_that_are_read_otherwise_are_refused(export):
    model = tiny('faster_rcnn')
    model.roi_head.bbox_roi_extractor = dict(
        type='GenericRoIExtractor',
        roi_layer=dict(type='RoIAlign', output_size=7, sampling_ratio=0),
        out_channels=16,
        featmap_strides=[4, 8, 16, 32],
    )
    with pytest.raises(ValueError, match='its RoIs are read by a GenericRoIExtractor'):
        export(model)


def test_another_nms_is_refused(export):
    model = tiny('retinanet')
    model.test_cfg.nms = dict(type='soft_nms', iou_threshold=0.5)
    with pytest.raises(ValueError, match="its NMS is .*'soft_nms'"):
        export(model)


@pytest.mark.parametrize('limits, said', [(dict(nms_pre=-1), 'nms_pre=-1'), (dict(max_per_img=0), 'max_per_img=0')])
def test_a_detector_without_a_limit_of_its_boxes_is_refused(limits, said, export):
    model = tiny('retinanet')
    model.test_cfg.update(limits)
    with pytest.raises(ValueError, match=f'its `test_cfg` has {said}, and a graph needs a number above 0'):
        export(model)


def test_the_stock_pipeline_of_yolox_and_joined_data_sets_are_read(export):
    pad = dict(type='Pad', pad_to_square=True, pad_val=dict(img=(114.0, 114.0, 114.0)))
    pipeline = [dict(type='Resize', scale=(640, 640), keep_ratio=True), pad, dict(type='PackDetInputs')]
    joined = dict(type='ConcatDataset', datasets=[dict(type='CocoDataset', pipeline=pipeline)])
    _, session = export(tiny('yolox'), test_dataloader=dict(dataset=joined))
    settings = json.loads(session.get_modelmeta().custom_metadata_map[KEY])
    assert (settings['size'], settings['pad'], settings['pad_value']) == ([640, 640], 'square', [114.0] * 3)
    inputs, scale = prepare(np.zeros((20, 40, 3), np.uint8), settings)
    assert inputs.shape == (1, 3, 640, 640) and scale.tolist() == [16.0] * 4
    assert (inputs[0, :, 320:] == 114).all() and not inputs[0, :, :320].any()


def settings_of(model, *steps):
    """What stands in the graph of a detector with this test pipeline."""
    cfg = Config(dict(model=model, test_dataloader=dict(dataset=dict(pipeline=steps))))
    return json.loads(json.dumps(metadata_of(cfg, DETECTORS.build(model))))


@pytest.mark.parametrize('test_dataloader, said', [(dict(dataset=dict(type='CocoDataset')), 'Coco'), (None, 'none')])
def test_test_data_without_a_pipeline_are_refused(test_dataloader, said):
    with pytest.raises(
        ValueError, match=f'must have a `test_dataloader` whose data have a `pipeline`.* but got.*{said}'
    ):
        metadata_of(Config(dict(test_dataloader=test_dataloader)), None)


@pytest.mark.parametrize(
    'step', [dict(type='CenterCrop', crop_size=(10, 10)), dict(type='Pad', size=(64, 64), padding_mode='reflect')]
)
def test_a_pipeline_that_changes_images_otherwise_is_refused(step):
    said = 'must load, resize to a `scale` and pad to a `size` or a square alone'
    with pytest.raises(ValueError, match=f'{said}.*{step["type"]}'):
        settings_of(tiny('retinanet'), step)


@pytest.mark.parametrize('channels, color_type', [(3, 'color'), (1, 'grayscale')])
@pytest.mark.parametrize(
    'steps',
    [
        [dict(type='Resize', scale=40)],
        [dict(type='Resize', scale=(90, 50), keep_ratio=True, interpolation='nearest')],
        [dict(type='Resize', scale=(50, 50), backend='pillow'), dict(type='Pad', size=(70, 60), pad_val=7)],
    ],
)
def test_an_image_becomes_the_input_that_the_pipeline_and_the_preprocessor_of_the_detector_make(
    channels, color_type, steps, tmp_path
):
    model = tiny('retinanet')
    model.backbone.in_channels = channels
    model.data_preprocessor.update(
        mean=[127.5] * channels, std=[64.0] * channels, pad_value=2, bgr_to_rgb=channels == 3
    )
    pipeline = [dict(type='LoadImageFromFile', color_type=color_type), *steps, dict(type='PackDetInputs', meta_keys=())]
    settings = settings_of(model, *pipeline)
    cv2.imwrite(str(tmp_path / 'image.png'), np.random.default_rng(0).integers(0, 256, (30, 44, 3), np.uint8))
    inputs, _ = prepare(mmcv.imread(str(tmp_path / 'image.png'), settings['color_type']), settings)
    packed = Compose(pipeline)(dict(img_path=str(tmp_path / 'image.png')))
    expected = DETECTORS.build(model).data_preprocessor(
        dict(inputs=[packed['inputs']], data_samples=[packed['data_samples']])
    )['inputs']
    assert inputs.shape[1] == channels and (inputs == 2).any()
    assert np.abs(inputs - expected.numpy()).max() < 1e-5


def test_the_best_are_chosen_and_missing_ones_have_the_score_zero():
    values, places = best(torch.tensor([[0.2, 0.9, 0.0], [0.0, 0.0, 0.5]]), 4)
    assert np.allclose(values, [[0.9, 0.2, 0, 0], [0.5, 0, 0, 0]])
    assert places.tolist() == [[1, 0, 0, 0], [2, 0, 0, 0]]


def test_boxes_of_another_label_or_image_suppress_nothing():
    box = [0.0, 0.0, 10.0, 10.0]
    boxes = torch.tensor([[box, box, box], [box, box, box]])
    scores, labels = torch.tensor([[0.9, 0.8, 0.7], [0.5, 0.0, 0.6]]), torch.tensor([[1, 1, 2], [0, 0, 0]])
    found = suppress(Candidates(boxes, scores, labels), dict(type='nms', iou_threshold=0.5), 2)
    assert np.allclose(found.scores, [[0.9, 0.7], [0.6, 0]]) and found.labels[0].tolist() == [1, 2]
    found = suppress(Candidates(boxes, scores, labels), dict(type='nms', iou_threshold=0.5, class_agnostic=True), 2)
    assert np.allclose(found.scores, [[0.9, 0], [0.6, 0]])
