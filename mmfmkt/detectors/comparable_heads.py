"""Can the heads of two detectors be compared, logit by logit?"""

from __future__ import annotations

from mmdet.models import StandardRoIHead
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.roi_heads.bbox_heads import MultiInstanceBBoxHead
from mmengine.model import BaseModel
from torch import nn


def heads_of(detector: nn.Module) -> list[str]:
    """The names of a detector's heads; of a network that only makes features there are none."""
    return [name for name, _ in detector.named_children() if name.endswith('_head')]


def find_head(detector: BaseModel) -> str:
    """The part that returns the logits of boxes: the box head of a detector with two stages, or the dense head."""
    return 'roi_head.bbox_head' if getattr(detector, 'roi_head', None) is not None else 'bbox_head'


def name_of(part: object) -> str:
    return 'none' if part is None else type(part).__name__


def why_no_logits(detector: BaseModel, side: str) -> str | None:
    """Why a detector has no logits of a fixed place and class, or None if it has."""
    roi_head = getattr(detector, 'roi_head', None)
    if roi_head is None:
        return why_not_dense(getattr(detector, 'bbox_head', None), side)
    if not isinstance(roi_head, StandardRoIHead):
        return f'the {side} has a {name_of(roi_head)}, with more than one box head'
    return why_no_softmax(getattr(roi_head, 'bbox_head', None), side)


def why_no_softmax(head: nn.Module | None, side: str) -> str | None:
    """Why a box head does not predict one softmax over the classes for each proposal, or None if it does."""
    if isinstance(head, MultiInstanceBBoxHead):
        return f"the {side}'s {name_of(head)} predicts several objects for a proposal"
    loss = getattr(head, 'loss_cls', None)
    if loss is None or getattr(loss, 'use_sigmoid', False) or getattr(loss, 'custom_cls_channels', False):
        return f"the scores of the {side}'s {name_of(head)} are no softmax logits"
    return None


def why_not_dense(head: nn.Module | None, side: str) -> str | None:
    """Why a head does not predict one sigmoid logit for every class and anchor (or point), or None if it does."""
    if (
        not isinstance(head, BaseDenseHead)
        or not hasattr(head, 'cls_out_channels')
        or not hasattr(head, 'prior_generator')
    ):
        return f'the {side} has no dense head with anchors or points: {name_of(head)}'
    loss = getattr(head, 'loss_cls', None)
    if loss is None or getattr(loss, 'activated', False) or not getattr(head, 'use_sigmoid_cls', True):
        return f"the scores of the {side}'s {name_of(head)} are no sigmoid logits"
    return None


def strides_of(head: BaseDenseHead) -> list[int]:
    return [stride[0] if isinstance(stride, (list, tuple)) else stride for stride in head.prior_generator.strides]


def anchors_of(head: BaseDenseHead) -> int | list[int]:
    return getattr(head, 'num_base_priors', head.prior_generator.num_base_priors)


def why_logits_differ(student: BaseModel, teacher: BaseModel) -> str | None:
    """Why the logits of two detectors do not belong together one by one, or None if they do."""
    reason = why_no_logits(student, 'student') or why_no_logits(teacher, 'teacher')
    if reason:
        return reason
    if find_head(student) != find_head(teacher):
        return f'one of {name_of(student)} and {name_of(teacher)} has a dense head, the other a box head for proposals'
    if find_head(student) != 'bbox_head':
        return None
    for what, count in (
        ('strides', strides_of),
        ('anchors a location', anchors_of),
        ('classes', lambda head: head.cls_out_channels),
    ):
        own, other = count(student.bbox_head), count(teacher.bbox_head)
        if own != other:
            return f'the heads have different {what}, {own} and {other}'
    return None
