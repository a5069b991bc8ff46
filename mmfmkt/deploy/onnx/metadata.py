"""What a reader of a graph has to know of the images: kept in the file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from mmdet.models import BaseDetector
from mmengine.config import Config

from mmfmkt.detectors.channels import image_channels

if TYPE_CHECKING:  # an option of the installation
    from onnx import ModelProto

KEY = 'mmfmkt'
NO_CHANGE = ('LoadAnnotations', 'PackDetInputs')


def metadata_of(cfg: Config, detector: BaseDetector) -> dict[str, Any]:
    """How images become inputs, and the names of the classes.

    - `classes`: names of the labels, or None if the config has none.
    - `color_type`: as what an image is read, a flag of MMCV's `imread`.
    - `size`: width and height that it is resized to, or None; `keep_ratio`: whether it fits into them instead;
      `interpolation` and `backend`: how MMCV's `imresize` does it.
    - `pad`: then it is padded, at the right and at the bottom, with pixels of value `pad_value`, one number or one for
      each channel, to a width and height, to a square ('square'), or not (None).
    - `mean`, `std`, a number for each channel, in the order 'bgr' or 'rgb' (`channels`): then it is normalised.
    - `divisor`: then it is padded with the number `fill` to a multiple of this number.

    Raises:
        ValueError: if there is no test pipeline, or if it changes images in another way.
    """
    dataset = innermost_test_data(cfg)
    found: dict[str, Any] = dict(
        classes=class_names(dataset),
        color_type='color',
        size=None,
        keep_ratio=False,
        interpolation='bilinear',
        backend='cv2',
        pad=None,
        pad_value=0,
    )
    for step in dataset['pipeline'] or ():
        kind = str(step['type']).split('.')[-1]
        if kind == 'Resize' and step.get('scale') is not None:
            found.update(resized_to(step))
        elif kind == 'Pad' and padded_to(step) is not None:
            value = step.get('pad_val', 0)
            found.update(pad=padded_to(step), pad_value=value.get('img', 0) if isinstance(value, dict) else value)
        elif kind == 'LoadImageFromFile':
            found.update(color_type=step.get('color_type', 'color'))
        elif kind not in NO_CHANGE:
            raise ValueError(
                'the test pipeline of a detector whose boxes are exported must load, resize to a `scale` and pad to a '
                f'`size` or a square alone, but got {dict(step)}'
            )
    preprocessor = detector.data_preprocessor
    if getattr(preprocessor, '_enable_normalize', False):
        mean, std = ([float(number) for number in values.flatten()] for values in (preprocessor.mean, preprocessor.std))
    else:
        number = image_channels(detector)
        mean, std = [0.0] * number, [1.0] * number
    channels = 'rgb' if getattr(preprocessor, '_channel_conversion', False) else 'bgr'
    divisor, fill = getattr(preprocessor, 'pad_size_divisor', 1), getattr(preprocessor, 'pad_value', 0)
    return dict(found, mean=mean, std=std, channels=channels, divisor=divisor, fill=fill)


def innermost_test_data(cfg: Config) -> dict:
    """The innermost of the test data, which has the pipeline.

    Raises:
        ValueError: if there is none.
    """
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    while 'pipeline' not in dataset and (inner := dataset.get('dataset') or (dataset.get('datasets') or [None])[0]):
        dataset = inner
    if 'pipeline' not in dataset:
        raise ValueError(
            'the config of a detector that finds boxes in images must have a `test_dataloader` whose data have a '
            f'`pipeline`, which says how images become inputs, but got {dict(dataset) or "none"}; '
            '`test_dataloader = val_dataloader` may do'
        )
    return dataset


def resized_to(step: dict) -> dict[str, Any]:
    """What a `Resize` to a `scale` does."""
    scale = step['scale']
    return dict(
        size=[scale, scale] if isinstance(scale, int) else list(scale),
        keep_ratio=step.get('keep_ratio', False),
        interpolation=step.get('interpolation', 'bilinear'),
        backend=step.get('backend', 'cv2'),
    )


def padded_to(step: dict) -> list[int] | str | None:
    """The width and height that a `Pad` makes, or 'square'; None if it pads in another way."""
    if step.get('padding_mode', 'constant') != 'constant':
        return None
    if step.get('pad_to_square') and not step.get('size_divisor'):
        return 'square'
    return list(step['size']) if step.get('size') is not None else None


def class_names(dataset: dict) -> list[str] | None:
    from mmdet.registry import DATASETS

    names = (dataset.get('metainfo') or {}).get('classes')
    if names is None and dataset.get('type'):
        names = getattr(DATASETS.get(dataset['type']), 'METAINFO', {}).get('classes')
    return [names] if isinstance(names, str) else list(names) if names else None


def write_metadata(model: ModelProto, metadata: dict[str, Any]) -> None:
    entry = model.metadata_props.add()
    entry.key, entry.value = KEY, json.dumps(metadata)
