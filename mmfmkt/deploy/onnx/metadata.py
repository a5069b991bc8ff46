"""What a reader of a graph has to know of the images: kept in the file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mmdet.models import BaseDetector
from mmengine.config import Config

if TYPE_CHECKING:  # an option of the installation
    from onnx import ModelProto

KEY = 'mmfmkt'
NO_CHANGE = ('LoadImageFromFile', 'LoadAnnotations', 'PackDetInputs')


def metadata_of(cfg: Config, detector: BaseDetector) -> dict[str, Any]:
    """How images become inputs, and the names of the classes.

    - `classes`: names of the labels, or None if the config has none.
    - `size`: width and height that an image is resized to, or None; `keep_ratio`: whether it fits into them instead.
    - `pad`: then it is padded, at the right and at the bottom, with pixels of value `pad_value` to a width and height,
      to a square ('square'), or not (None).
    - `mean`, `std`, three numbers each, in the order of the channels, which is 'bgr' or 'rgb' (`channels`): then it is
      normalised.
    - `divisor`: then it is padded with zeros to a multiple of this number.

    Raises:
        ValueError: if the test pipeline changes images in another way.
    """
    dataset = (cfg.get('test_dataloader') or {}).get('dataset') or {}
    while 'pipeline' not in dataset and (inner := dataset.get('dataset') or (dataset.get('datasets') or [None])[0]):
        dataset = inner
    if dataset and 'pipeline' not in dataset:
        raise ValueError(
            'the test data of a detector whose boxes are exported must have a `pipeline`, which says how images become '
            f'inputs, but {dict(dataset)} has none'
        )
    found: dict[str, Any] = dict(classes=class_names(dataset), size=None, keep_ratio=False, pad=None, pad_value=0)
    for step in dataset.get('pipeline') or ():
        kind = str(step['type']).split('.')[-1]
        if kind == 'Resize' and step.get('scale') is not None:
            found.update(size=list(step['scale']), keep_ratio=step.get('keep_ratio', False))
        elif kind == 'Pad' and padded_to(step) is not None:
            value = step.get('pad_val', 0)
            value = value.get('img', 0) if isinstance(value, dict) else value
            found.update(pad=padded_to(step), pad_value=value[0] if isinstance(value, Sequence) else value)
        elif kind not in NO_CHANGE:
            raise ValueError(
                'the test pipeline of a detector whose boxes are exported must load, resize to a `scale` and pad to a '
                f'`size` or a square alone, but got {dict(step)}'
            )
    preprocessor = detector.data_preprocessor
    if getattr(preprocessor, '_enable_normalize', False):
        mean, std = ([float(number) for number in values.flatten()] for values in (preprocessor.mean, preprocessor.std))
    else:
        mean, std = [0.0] * 3, [1.0] * 3
    channels = 'rgb' if getattr(preprocessor, '_channel_conversion', False) else 'bgr'
    divisor = getattr(preprocessor, 'pad_size_divisor', 1)
    return dict(found, mean=mean, std=std, channels=channels, divisor=divisor)


def padded_to(step: dict) -> list[int] | str | None:
    """The width and height that a `Pad` makes, or 'square'; None if it pads in another way."""
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
