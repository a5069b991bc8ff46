"""What the graph computes: the dense part of a detector, before boxes are decoded."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, count, takewhile
from typing import Any

from mmdet.models import BaseDetector, DetectionTransformer, TwoStageDetector
from mmdet.structures import DetDataSample
from torch import Tensor, nn

Outputs = Callable[[BaseDetector, Tensor], dict[str, Tensor]]  # of images (B, 3, H, W), name -> tensor


class TracedDetector(nn.Module):
    """A detector in eval mode, from images (B, 3, H, W) to a tuple of what the graph shall have."""

    def __init__(self, detector: BaseDetector, outputs: Outputs) -> None:
        super().__init__()
        self.detector, self.outputs = detector, outputs
        self.eval()  # the exporter gives the whole detector the mode that it finds here

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.outputs(self.detector, images).values())


def dense_outputs(detector: BaseDetector, images: Tensor) -> dict[str, Tensor]:
    """Images (B, 3, H, W) -> what the dense head makes of them, name -> tensor.

    The names are those of the arguments of the head's `predict_by_feat`, which decodes the boxes, and of the level:
    `cls_scores_0`, `bbox_preds_0`, ... Of a two-stage detector they are the pyramid, `feature_0`, ..., and what the RPN
    makes of it, `rpn_cls_scores_0`, ...: the RoI head, and a flow in it, stay out, because they read what NMS leaves.
    Heads for masks that stand beside the dense head stay out as well.

    Raises:
        ValueError: if the detector has no dense head.
    """
    two_stage = isinstance(detector, TwoStageDetector)
    head: Any = getattr(detector, 'rpn_head' if two_stage else 'bbox_head', None)
    if not hasattr(head, 'predict_by_feat'):
        raise ValueError(
            f'a detector to export must have a dense `bbox_head` or `rpn_head`, but got {type(detector).__name__}'
        )
    if isinstance(detector, DetectionTransformer):
        shape = tuple(images.shape[2:])
        samples = [DetDataSample(metainfo=dict(img_shape=shape, batch_input_shape=shape)) for _ in images]
        return name_results(head, detector(images, samples, mode='tensor'))
    pyramid = detector.extract_feat(images)
    features = flatten('feature', pyramid) if two_stage else {}
    return {**features, **name_results(head, head(pyramid), 'rpn_' if two_stage else '')}


def name_results(head: Any, results: Sequence, prefix: str = '') -> dict[str, Tensor]:
    """What a dense head has returned, name -> tensor."""
    parameters = inspect.signature(head.predict_by_feat).parameters
    names = chain(takewhile('batch_img_metas'.__ne__, parameters), (f'output_{place}' for place in count()))
    return merge(flatten(prefix + name, result) for name, result in zip(names, results))


def flatten(name: str, value: Any) -> dict[str, Tensor]:
    """The tensors in nested sequences, named after their places."""
    if isinstance(value, Tensor):
        return {name: value}
    return merge(flatten(f'{name}_{place}', part) for place, part in enumerate(value))


def merge(parts: Iterable[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: tensor for part in parts for name, tensor in part.items()}
