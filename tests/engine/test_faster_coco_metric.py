"""The figures of the faster evaluation are those of pycocotools."""

import json
import sys

import numpy as np
import pytest
import torch
from mmdet.evaluation import CocoMetric
from mmengine.config import Config

from mmfmkt.deploy.detector import deployed_config
from mmfmkt.engine.faster_coco_metric import FasterCocoMetric

IMAGES, CLASSES = 20, 5


@pytest.fixture
def annotations(tmp_path):
    """A file of 20 images with seven boxes each, some of them crowds, of five classes."""
    generator = np.random.default_rng(0)
    images = [dict(id=number, file_name=f'{number}.jpg', width=640, height=480) for number in range(1, IMAGES + 1)]
    boxes = []
    for image in images:
        for _ in range(7):
            width, height = generator.uniform(8, 200, 2)
            x, y = generator.uniform(0, 640 - width), generator.uniform(0, 480 - height)
            label = int(generator.integers(CLASSES))
            box = dict(id=len(boxes) + 1, image_id=image['id'], category_id=label + 1, bbox=[x, y, width, height])
            boxes.append(dict(box, area=width * height, iscrowd=int(generator.random() < 0.1)))
    content = dict(images=images, annotations=boxes)
    content['categories'] = [dict(id=label + 1, name=f'class {label}') for label in range(CLASSES)]
    file = tmp_path / 'annotations.json'
    file.write_text(json.dumps(content))
    return file


def figures(kind, file, **settings):
    """Of detections that are near the boxes of the file, with some of another class, and of some that are not."""
    metric = kind(ann_file=str(file), **settings)
    metric.dataset_meta = dict(classes=tuple(f'class {label}' for label in range(CLASSES)))
    generator = torch.Generator().manual_seed(0)
    by_image = {}
    for box in json.loads(file.read_text())['annotations']:
        by_image.setdefault(box['image_id'], []).append(box)
    for number, boxes in by_image.items():
        near = torch.tensor([box['bbox'] for box in boxes]).repeat(3, 1)
        near = near + 6 * torch.randn(near.shape, generator=generator)
        near[:, 2:] = near[:, 2:].clamp(min=1)
        labels = torch.tensor([box['category_id'] - 1 for box in boxes]).repeat(3)
        labels[torch.rand(len(labels), generator=generator) < 0.2] = 0
        near[:, 2:] += near[:, :2]
        scores = torch.rand(len(near), generator=generator)
        found = dict(bboxes=near, scores=scores, labels=labels)
        metric.process({}, [dict(img_id=number, ori_shape=(480, 640), pred_instances=found)])
    return metric.evaluate(IMAGES)


@pytest.mark.parametrize(
    'settings',
    [
        {},
        dict(classwise=True),
        dict(metric=['bbox', 'proposal']),
        dict(proposal_nums=(1, 10, 100), metric_items=['mAP', 'AR@100']),
    ],
)
def test_every_figure_is_the_same(annotations, settings):
    expected, found = (figures(kind, annotations, **settings) for kind in (CocoMetric, FasterCocoMetric))
    assert found.keys() == expected.keys() and 0.05 < expected['coco/bbox_mAP'] < 0.95
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-3, nan_ok=True), name


def test_other_metrics_keep_their_evaluation(annotations):
    before = figures(CocoMetric, annotations)
    figures(FasterCocoMetric, annotations)
    assert figures(CocoMetric, annotations) == before


def test_a_package_that_is_missing_is_named_with_the_remedy(annotations, monkeypatch):
    monkeypatch.setitem(sys.modules, 'faster_coco_eval', None)
    with pytest.raises(ImportError, match='`pip install faster-coco-eval`, or use CocoMetric'):
        FasterCocoMetric(ann_file=str(annotations))


@pytest.mark.parametrize('several', [False, True])
def test_the_deployed_detector_has_mmdetections_own(theta, several):
    evaluator = dict(type='mmrazor.FasterCocoMetric', ann_file='a.json')
    cfg = Config(dict(model=theta, val_evaluator=[evaluator] if several else evaluator, test_evaluator=dict(evaluator)))
    deployed = deployed_config(cfg)
    found = deployed.val_evaluator[0] if several else deployed.val_evaluator
    assert found.type == deployed.test_evaluator.type == 'CocoMetric' and found.ann_file == 'a.json'
