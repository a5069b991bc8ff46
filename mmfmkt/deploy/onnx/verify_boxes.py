"""Does onnxruntime find with the graph what PyTorch finds with the detector?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from mmdet.models import BaseDetector
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from torch import Tensor

from .boxes import MOST
from .verify import TOLERANCE, run_graph

if TYPE_CHECKING:  # an option of the installation
    from onnx import ModelProto

STRAY = 0.02  # of the boxes may be without a partner: rounding decides about those at a threshold


def verify_boxes(detector: BaseDetector, model: ModelProto, images: Tensor) -> float:
    """The largest deviation of a coordinate, as a share of the longer side of images (B, 3, H, W), from `predict`.

    Raises:
        RuntimeError: if the graph does not run, or if boxes are without a partner of the same label, nearly the same
            score and nearly the same place.
    """
    found, _ = run_graph(model, images)
    largest, strays, number = 0.0, 0, 0
    for boxes, scores, labels, wanted in zip(*found.values(), predictions(detector, images)):
        there = labels >= 0
        full = bool(there.all())
        if full:  # and there is no room for more: rounding decides which of the last ones stays
            wanted = wanted[wanted.scores > scores.min() + TOLERANCE]
        deviations = partners(boxes[there], scores[there], labels[there], wanted, max(images.shape[2:]))
        matched = deviations.isfinite()
        strays += int((~matched).sum()) + (0 if full else abs(int(there.sum()) - len(wanted)))
        number += len(wanted)
        if matched.any():
            largest = max(largest, deviations[matched].max().item())
    if strays > STRAY * number:
        raise RuntimeError(
            f'the exported graph is wrong: on images of shape {tuple(images.shape)} {strays} of its boxes are not '
            f"among the {number} of PyTorch's `predict`"
        )
    return largest


def predictions(detector: BaseDetector, images: Tensor) -> list[InstanceData]:
    """What the detector predicts for images that are normalised and padded, in pixels of them."""
    size = tuple(images.shape[2:])
    metainfo = dict(img_shape=size, batch_input_shape=size, ori_shape=size, pad_shape=size, scale_factor=(1.0, 1.0))
    samples = [DetDataSample(metainfo=metainfo) for _ in images]
    return [sample.pred_instances[:MOST] for sample in detector.predict(images, samples, rescale=False)]


def partners(boxes: Tensor, scores: Tensor, labels: Tensor, wanted: InstanceData, side: float) -> Tensor:
    """Of each box that is wanted, how far its partner is, as a share of the side of an image; infinite without one."""
    if not len(boxes) or not len(wanted):
        return boxes.new_full((len(wanted),), torch.inf)
    apart = (wanted.bboxes[:, None] - boxes[None]).abs().amax(2) / side
    other = (wanted.labels[:, None] != labels[None]) | ((wanted.scores[:, None] - scores[None]).abs() > TOLERANCE)
    nearest = apart.masked_fill(other, torch.inf).amin(1)
    return nearest.masked_fill(nearest > TOLERANCE, torch.inf)
