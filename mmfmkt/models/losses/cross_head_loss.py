"""Cross-head distillation: the teacher's head predicts from the student's features too."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from mmdet.models.dense_heads import FCOSHead
from mmdet.models.dense_heads.anchor_head import AnchorHead
from mmdet.structures.bbox import bbox_overlaps
from mmengine.model import BaseModel
from mmrazor.registry import MODELS
from torch import Tensor, nn

from mmfmkt.detectors.comparable_heads import name_of, strides_of, why_not_dense
from mmfmkt.detectors.towers import TOWERS, last_layers, widths
from mmfmkt.models.metrics.binary_kd import confidence
from mmfmkt.models.metrics.row_metrics import location_rows

from .level_metric import fit_size


@MODELS.register_module()
class CrossHeadLoss(nn.Module):
    r"""CrossKD (arXiv:2306.11369): predictions of the teacher's head from the student's features mimic its usual ones.

    The last layer of the teacher's towers reads what the last layer of the student's towers reads. With `s` and `t` the
    logits that the teacher's head predicts from the student's features and from its own, `b` its boxes, and
    `w_r = max_k sigmoid(t_rk)` at an anchor or point r,

    .. math::
        L = \frac{w_c \sum_{r,k} |\sigma(t_{rk}) - \sigma(s_{rk})|^\beta \mathrm{BCE}(s_{rk}, \sigma(t_{rk}))
        + w_b \sum_r w_r D(b^s_r, b^t_r)}{\max(1, \sum_{r: w_r > 0.05} w_r)}

    The first term is the quality focal loss with the teacher's scores as labels. `D` is 1 - GIoU, or, for heads that
    predict distributions (GFL), the mean over the sides of a box of KL(t || s). The student's head is not pulled
    towards the teacher where the ground truth says otherwise, because its own predictions have no part in it.

    The teacher's head runs once: from its last tower layer on, the student's features stand behind its own in the
    batch.

    Differs from the authors' code: they give the student's features the teacher's mean and deviation in every channel,
    divide by the positives of the student's assigner, leave out what it ignores, and have settings for each head (FCOS
    goes on from an earlier layer; GFL adds a GIoU term, and weighs KL with 3).

    Args:
        cls_weight: w_c, at least 0.
        box_weight: w_b, at least 0.
        beta: at least 0.
        loss_weight: factor of both, at least 0.

    Raises:
        ValueError: if a number is negative.
    """

    def __init__(
        self, cls_weight: float = 1.0, box_weight: float = 1.0, beta: float = 1.0, loss_weight: float = 1.0
    ) -> None:
        super().__init__()
        if min(cls_weight, box_weight, beta, loss_weight) < 0:
            raise ValueError(
                '`cls_weight`, `box_weight`, `beta` and `loss_weight` of CrossHeadLoss must be at least 0, but got '
                f'{cls_weight}, {box_weight}, {beta} and {loss_weight}'
            )
        self.cls_weight, self.box_weight, self.beta, self.loss_weight = cls_weight, box_weight, beta, loss_weight

    @staticmethod
    def misfit(student: BaseModel, teacher: BaseModel) -> str | None:
        """Why the teacher's head cannot go on from the student's towers; None if it can."""
        heads: list[Any] = [getattr(detector, 'bbox_head', None) for detector in (student, teacher)]
        for head, side in zip(heads, ('student', 'teacher')):
            if not all(last_layers(head, tower) for tower in TOWERS) or not hasattr(head, 'prior_generator'):
                return f'the {side} has no dense head with towers of convolutions, but {name_of(head)}'
            if last_layers(head, TOWERS[0])[0] is last_layers(head, TOWERS[1])[0]:
                return f'the two towers of a {name_of(head)} are one'
        reason = why_not_dense(heads[1], 'teacher')
        if not reason and not isinstance(heads[1], (AnchorHead, FCOSHead)):
            reason = f'the boxes of a {name_of(heads[1])} are not known here'
        if not reason and strides_of(heads[0]) != strides_of(heads[1]):
            reason = f'the heads have different strides, {strides_of(heads[0])} and {strides_of(heads[1])}'
        if not reason and widths(heads[0]) != widths(heads[1]):
            reason = f'the towers of the heads have different channels, {widths(heads[0])} and {widths(heads[1])}'
        return reason

    def prepare_from_teacher(self, teacher: BaseModel) -> None:
        self.teacher_head = weakref.ref(teacher.bbox_head)  # neither a child, nor kept when the teacher is freed

    def forward(
        self, cls_features: Sequence[Tensor], reg_features: Sequence[Tensor], teacher_features: Sequence[Tensor]
    ) -> Tensor:
        """The loss of all levels, a scalar.

        Args:
            cls_features: what the last layer of the student's classification tower reads at every level,
                (B, C, H_l, W_l).
            reg_features: the same of its regression tower.
            teacher_features: the teacher's pyramid.
        """
        head, num_images = self.teacher_head(), len(teacher_features[0])
        assert head is not None  # it is freed with the teacher, and then there is no distillation
        with joined(head, dict(zip(TOWERS, (cls_features, reg_features)))):
            cls_scores, box_predictions = head(tuple(teacher_features))[:2]
        (target, logits), (of_teacher, boxes) = (
            split(levels, num_images, length)
            for levels, length in ((cls_scores, head.cls_out_channels), (box_predictions, box_length(head)))
        )
        scores = target.sigmoid()
        weight = scores.amax(1)
        cls = quality_focal(logits, scores, self.beta).sum()
        box = (weight * self.box_distance(head, cls_scores, boxes, of_teacher)).sum()
        return self.loss_weight * (self.cls_weight * cls + self.box_weight * box) / confidence(weight)

    def box_distance(
        self, head: AnchorHead | FCOSHead, levels: Sequence[Tensor], boxes: Tensor, of_teacher: Tensor
    ) -> Tensor:
        """`D` of all anchors or points, (n, )."""
        if boxes.shape[1] > 4:
            student, teacher = (rows.reshape(len(rows), 4, -1).log_softmax(2) for rows in (boxes, of_teacher))
            return F.kl_div(student, teacher, reduction='none', log_target=True).sum(2).mean(1)
        sizes = [level.shape[2:] for level in levels]
        priors = head.prior_generator.grid_priors(sizes, dtype=boxes.dtype, device=boxes.device)
        num_images = len(levels[0]) // 2
        priors = torch.cat([prior.repeat(num_images, 1) for prior in priors])
        student, teacher = (at_least_a_point(head.bbox_coder.decode(priors, rows)) for rows in (boxes, of_teacher))
        return 1 - bbox_overlaps(student, teacher, mode='giou', is_aligned=True)


def at_least_a_point(boxes: Tensor) -> Tensor:
    """Boxes (n, 4) whose sides are 0.01 pixels at least.

    GIoU is not bounded for negative sides, which some heads predict.
    """
    return torch.cat([boxes[:, :2], torch.maximum(boxes[:, 2:], boxes[:, :2] + 0.01)], 1)


def quality_focal(logits: Tensor, scores: Tensor, beta: float) -> Tensor:
    """The quality focal loss (arXiv:2006.04388, equation 5) of logits for scores in [0, 1], without reduction."""
    crossed = F.binary_cross_entropy_with_logits(logits, scores, reduction='none')
    return (scores - logits.sigmoid()).abs().pow(beta) * crossed


def box_length(head: AnchorHead | FCOSHead) -> int:
    """How many numbers a box is predicted by: 4, or a distribution for each side."""
    return 4 * (head.reg_max + 1) if hasattr(head, 'integral') else 4


def split(levels: Sequence[Tensor], num_images: int, length: int) -> tuple[Tensor, Tensor]:
    """Predictions (2 B, A length, H_l, W_l) of the two halves of a batch, each as rows (n, length) in float32."""
    halves = zip(*((level[:num_images], level[num_images:]) for level in levels))
    first, second = (torch.cat([location_rows(level.float(), length) for level in half]) for half in halves)
    return first.detach(), second


@contextmanager
def joined(head: nn.Module, features: dict[str, Sequence[Tensor]]) -> Iterator[None]:
    """Let the last layers of a head's towers read another head's features behind their own, level by level.

    The features of a tower are one (B, C, H_l, W_l) for each level.
    """

    def behind(of_levels: Iterator[Tensor]) -> Callable[[nn.Module, tuple], tuple]:
        return lambda layer, args: (torch.cat([args[0], fit_size(next(of_levels), args[0])]), *args[1:])

    handles = []
    for tower, levels in features.items():
        hook = behind(iter(levels))
        handles += [layer.register_forward_pre_hook(hook) for layer in last_layers(head, tower)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
