"""A small data set of cats and dogs in COCO's format, and what people do to it."""

import copy
import json
from pathlib import Path

import cv2
import numpy as np
from mmdet.registry import DATASETS

from mmfmkt.inspection import inspect, parts_of, remembering

WIDTH, HEIGHT, IMAGES = 64, 48, 6
CLASSES = ('cat', 'dog')
BOXES = dict(cat=[4, 6, 20, 16], dog=[30, 20, 24, 18])  # x, y, width, height
FILTERED = dict(filter_cfg=dict(filter_empty_gt=True))
WRAPPERS = dict(
    none=lambda inner: inner,
    repeated=lambda inner: dict(type='RepeatDataset', times=2, dataset=inner),
    joined=lambda inner: dict(type='ConcatDataset', datasets=[inner, inner]),
    balanced=lambda inner: dict(type='ClassBalancedDataset', oversample_thr=0.1, dataset=inner),
    mixed=lambda inner: dict(type='MultiImageMixDataset', dataset=inner, pipeline=[]),
    nested=lambda inner: dict(
        type='RepeatDataset', times=2, dataset=dict(type='ConcatDataset', datasets=[inner, inner])
    ),
)


def annotations(first_id=1):
    """What is in a file: two boxes an image."""
    images = [
        dict(id=first_id + index, file_name=f'{index}.png', width=WIDTH, height=HEIGHT) for index in range(IMAGES)
    ]
    boxes = [
        dict(id=0, image_id=image['id'], category_id=1 + label, bbox=list(box), area=box[2] * box[3], iscrowd=0)
        for image in images
        for label, box in enumerate(BOXES.values())
    ]
    for number, box in enumerate(boxes, 1):
        box['id'] = number
    return dict(images=images, annotations=boxes, categories=[dict(id=1, name='cat'), dict(id=2, name='dog')])


def write(folder: Path, name: str, change=None, **content):
    """Write `folder/name.json` and the images that it names, after a change to what is in it."""
    content = {**annotations(), **content}
    if change:
        change(content)
    folder.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for index in range(IMAGES):
        cv2.imwrite(str(folder / f'{index}.png'), image)
    file = folder / f'{name}.json'
    file.write_text(json.dumps(content))
    return file


def dataset(file: Path, classes=CLASSES, **settings):
    """The config of a data set of MMDetection."""
    return dict(
        type='CocoDataset',
        ann_file=str(file),
        data_prefix=dict(img=f'{file.parent}/'),
        metainfo=dict(classes=classes),
        pipeline=[dict(type='LoadImageFromFile')],
        **settings,
    )


def findings(**splits):
    """What an inspection finds in data sets: their configs by split, or lists of them."""
    with remembering() as files:
        built = {split: DATASETS.build(copy.deepcopy(config)) for split, config in splits.items()}
    return inspect([part for split, each in built.items() for part in parts_of(split, each, files)])


def errors(found):
    return [finding.text for finding in found if finding.is_error]


def warnings(found):
    return [finding.text for finding in found if not finding.is_error]


def only(texts, *said):
    """There is one text, or the same of several parts, and it says this."""
    assert len(set(texts)) == 1 and all(each in texts[0] for each in said), texts
    return texts[0]
