"""Metrics between boxes, or between the distributions of their sides."""

import torch
import torch.nn.functional as F
from mmdet.structures.bbox import bbox_overlaps
from mmengine.model import BaseModel
from mmrazor.registry import MODELS
from torch import Tensor, nn

from mmfmkt.detectors.comparable_heads import name_of


class BoxMetric(nn.Module):
    """How far boxes are from others: `metric(student, teacher)` of two (n, L) is (n, ), at least 0.

    Attributes:
        of_distributions: False if it reads boxes (n, 4) as x1, y1, x2, y2 in pixels; True if it reads the logits of the
            distributions of their sides, (n, 4 (R + 1)), which GFL predicts.
    """

    of_distributions = False


@MODELS.register_module()
class IoUMetric(BoxMetric):
    """1 minus the overlap of two boxes: in [0, 2] for GIoU, in [0, 1] for IoU.

    Args:
        mode: 'giou' (arXiv:1902.09630), which has a gradient for boxes that do not touch, or 'iou'.

    Raises:
        ValueError: if `mode` is none of the two.
    """

    def __init__(self, mode: str = 'giou') -> None:
        super().__init__()
        if mode not in ('giou', 'iou'):
            raise ValueError(f"`mode` of IoUMetric must be 'giou' or 'iou', but got {mode!r}")
        self.mode = mode

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Boxes (n, 4) in pixels -> (n, )."""
        own, other = at_least_a_point(student), at_least_a_point(teacher)
        return 1 - bbox_overlaps(own, other, mode=self.mode, is_aligned=True)


@MODELS.register_module()
class LDMetric(BoxMetric):
    r"""Localization distillation (arXiv:2102.12252): the divergence of the distributions of the four sides of a box.

    .. math:: D = \tau^2 \, \mathrm{mean}_{sides} \mathrm{KL}(\mathrm{softmax}(t / \tau) \,\|\,
        \mathrm{softmax}(s / \tau))

    It is summed over the distances 0, ..., R that a side may have. MMDetection's loss takes their mean.

    Args:
        temperature: tau, above 0; 10 in the paper.

    Raises:
        ValueError: if `temperature` is not above 0.
    """

    of_distributions = True

    def __init__(self, temperature: float = 10.0) -> None:
        super().__init__()
        if temperature <= 0:
            raise ValueError(f'`temperature` of LDMetric must be above 0, but got {temperature}')
        self.temperature = temperature

    @staticmethod
    def misfit(student: BaseModel, teacher: BaseModel) -> str | None:
        """Why there are no distributions that can be compared; None if there are."""
        heads = [getattr(detector, 'bbox_head', None) for detector in (student, teacher)]
        for head, side in zip(heads, ('student', 'teacher')):
            if not has_distributions(head):
                return f'the {side} predicts boxes by no distributions of their sides, as GFLHead does: {name_of(head)}'
        ends = [head.reg_max for head in heads]  # type: ignore[union-attr]
        if ends[0] != ends[1]:
            return f'the distributions of the heads have different `reg_max`, {ends[0]} and {ends[1]}'
        return None

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Logits (n, 4 (R + 1)) of the sides -> (n, )."""
        own, other = ((rows / self.temperature).unflatten(1, (4, -1)).log_softmax(2) for rows in (student, teacher))
        return self.temperature**2 * F.kl_div(own, other, reduction='none', log_target=True).sum(2).mean(1)


def has_distributions(head: nn.Module | None) -> bool:
    """Does a head predict a distribution for each side of a box, as GFL (arXiv:2006.04388)?"""
    return hasattr(head, 'integral')


def at_least_a_point(boxes: Tensor) -> Tensor:
    """Boxes (n, 4) whose sides are 0.01 pixels at least.

    GIoU is not bounded for negative sides, which some heads predict.
    """
    return torch.cat([boxes[:, :2], torch.maximum(boxes[:, 2:], boxes[:, :2] + 0.01)], 1)
