"""Errors of images and annotations that say which file it was."""

from collections.abc import Callable
from traceback import walk_tb
from typing import Any

import torch
from mmcv.transforms import BaseTransform

from mmfmkt.common.datasets import DataSet, wrapped_by


class SampleError(ValueError):
    """An image or its annotations cannot be used."""


class NamedSamples:
    """The pipeline of a data set, whose errors name the image; boxes that are not numbers are one too.

    Everything else about it is the pipeline's.
    """

    def __init__(self, pipeline: Callable) -> None:
        self.pipeline = pipeline

    def __call__(self, info: dict) -> Any:
        name = info.get('img_path') or info.get('img_id', '?')
        try:
            packed = self.pipeline(info)
        except Exception as error:
            raise SampleError(told(name, error)) from error
        boxes = boxes_of(packed)
        if boxes is not None and not boxes.isfinite().all():
            raise SampleError(
                f'{name} must have boxes of finite numbers, but got {boxes.tolist()}; repair its annotations'
            )
        return packed

    def __getattr__(self, name: str) -> Any:
        if name == 'pipeline':  # not there yet while it is unpickled
            raise AttributeError(name)
        return getattr(self.pipeline, name)


def told(name: str, error: Exception) -> str:
    """What is to be done about an image, or about the pipeline, depending on the transform that fails."""
    selves = [frame.f_locals.get('self') for frame, _ in walk_tb(error.__traceback__)]
    failed = [type(each).__name__ for each in selves if isinstance(each, BaseTransform)]
    if not failed or failed[-1].startswith('LoadImage'):
        return (
            f'{name} must be a readable image with annotations, but it is not: {reason(error)}; repair it, or remove '
            'it from the annotation file'
        )
    remedy = 'give its objects a `segmentation`' if "'mask'" in str(error) else 'repair its annotations'
    return (
        f'{name} must have what the pipeline makes ready, but {failed[-1]} fails: {reason(error)}; change the pipeline '
        f'if it is so for all images, and else {remedy}, or remove it from the annotation file'
    )


def reason(error: Exception) -> str:
    """What went wrong, in one line; OpenCV's messages begin with one."""
    lines = str(error).strip().splitlines() or ['']
    return f'{type(error).__name__}: {lines[0]}'.rstrip(': ')


def boxes_of(packed: Any) -> torch.Tensor | None:
    """The boxes of the ground truth in what a pipeline returns, (G, 4), if there are some."""
    sample = packed.get('data_samples') if isinstance(packed, dict) else None
    boxes = getattr(getattr(sample, 'gt_instances', None), 'bboxes', None)
    return getattr(boxes, 'tensor', boxes)


def name_samples(dataset: DataSet) -> None:
    """Let the pipelines of a data set, inside any wrapper, name the image of an error."""
    for inner in wrapped_by(dataset):
        name_samples(inner)
    pipeline = getattr(dataset, 'pipeline', None)
    if callable(pipeline) and not isinstance(pipeline, NamedSamples):
        dataset.pipeline = NamedSamples(dataset.pipeline)
