"""Boxes that a detector proposes, in shapes that a graph can have: absent ones are there, with a score of 0."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.onnx.operators import shape_as_tensor

from .operators import NonMaxSuppression

NMS_SETTINGS = {'type', 'iou_threshold', 'class_agnostic', 'split_thr'}


class Candidates(NamedTuple):
    """Of each image N boxes (B, N, 4) in pixels, scores (B, N) and labels (B, N); one of score 0 is absent."""

    boxes: Tensor
    scores: Tensor
    labels: Tensor

    def where(self, there: Tensor) -> Candidates:
        """Those that a mask (B, N) keeps."""
        return self._replace(scores=self.scores * there)

    def within(self, images: Tensor) -> Candidates:
        """Cut off at the border of the images (B, C, H, W)."""
        height_width = shape_as_tensor(images)[2:].to(self.boxes)
        limits = torch.cat([height_width.flip(0)] * 2)
        return self._replace(boxes=torch.minimum(self.boxes.clamp(min=0), limits))

    def larger_than(self, pixels: float) -> Candidates:
        """Those whose sides are longer; all if it is negative."""
        if pixels < 0:
            return self
        sides = self.boxes[..., 2:] - self.boxes[..., :2]
        return self.where((sides > pixels).all(2))

    def at(self, places: Tensor) -> Candidates:
        """Those of these numbers (B, M)."""
        boxes = self.boxes.gather(1, places[..., None].expand(-1, -1, 4))
        return Candidates(boxes, self.scores.gather(1, places), self.labels.gather(1, places))


def join(parts: list[Candidates]) -> Candidates:
    return Candidates(*(torch.cat(tensors, 1) for tensors in zip(*parts)))


def best(scores: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """The best so many of scores (B, N), and their numbers; where there are fewer, the rest has a score of 0."""
    images: Any = shape_as_tensor(scores)[0]
    padded = torch.cat([scores, scores.new_zeros(1, number).expand(images, -1)], 1)
    values, places = padded.topk(number)
    return values, places * (values > 0)


def suppress(candidates: Candidates, nms: dict, most: int) -> Candidates:
    """What MMCV's `batched_nms` leaves of each label, the best `most` of each image in the order of their scores."""
    boxes, scores, labels = candidates
    if not nms.get('class_agnostic', False):  # boxes of different labels are moved where they do not meet
        reach = (boxes * (scores > 0)[..., None]).amax((1, 2), keepdim=True) + 1
        boxes = boxes + labels[..., None].to(boxes) * reach
    rows = NonMaxSuppression.apply(boxes, scores[:, None], nms['iou_threshold'], most)
    kept = torch.zeros_like(scores).index_put((rows[:, 0], rows[:, 2]), torch.ones_like(rows[:, 0]).to(scores))
    values, places = best(scores * kept, most)
    return candidates.at(places)._replace(scores=values)
