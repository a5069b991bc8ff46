"""Cross-head distillation: the teacher's head predicts from the student's features too."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.model import BaseModel
from mmrazor.registry import MODELS
from torch import Tensor, nn

from mmfmkt.detectors.comparable_heads import name_of, strides_of
from mmfmkt.detectors.towers import TOWERS, last_layers, widths

from .head_rows import box_length, to_rows, why_no_boxes
from .level_metric import fit_size
from .predictions import Predictions


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
    batch. Where the student's towers have other channels, a 1x1 convolution for each tower brings them to those of the
    teacher. It is trained along, belongs to the distiller, and is not deployed.

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
        self.projections = nn.ModuleDict()  # of the towers whose channels differ

    @staticmethod
    def misfit(student: BaseModel, teacher: BaseModel) -> str | None:
        """Why the teacher's head cannot go on from the student's towers; None if it can."""
        heads: list[Any] = [getattr(detector, 'bbox_head', None) for detector in (student, teacher)]
        for head, side in zip(heads, ('student', 'teacher')):
            if not all(last_layers(head, tower) for tower in TOWERS) or not hasattr(head, 'prior_generator'):
                return f'the {side} has no dense head with towers of convolutions, but {name_of(head)}'
            if last_layers(head, TOWERS[0])[0] is last_layers(head, TOWERS[1])[0]:
                return f'the two towers of a {name_of(head)} are one'
            if any(len(widths(head, tower)) != 1 for tower in TOWERS):
                return f"the towers of the {side}'s {name_of(head)} have other channels at other levels"
        reason = why_no_boxes(heads[1], 'teacher')
        if not reason and strides_of(heads[0]) != strides_of(heads[1]):
            reason = f'the heads have different strides, {strides_of(heads[0])} and {strides_of(heads[1])}'
        return reason

    def prepare_from_teacher(self, teacher: BaseModel) -> None:
        self.teacher_head = weakref.ref(teacher.bbox_head)  # neither a child, nor kept when the teacher is freed

    def prepare_from_student(self, student: BaseModel) -> None:
        head = self.teacher_head()
        assert head is not None  # the teacher comes first
        for tower in TOWERS:
            (own,), (other,) = widths(student.bbox_head, tower), widths(head, tower)
            if own != other:
                self.projections[tower] = nn.Conv2d(own, other, 1)

    def project(self, tower: str, levels: Sequence[Tensor]) -> Sequence[Tensor]:
        """Features of the student's tower, with the channels of the teacher's."""
        return [self.projections[tower](level) for level in levels] if tower in self.projections else levels

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
        features = {tower: self.project(tower, levels) for tower, levels in zip(TOWERS, (cls_features, reg_features))}
        with joined(head, features):
            cls_scores, box_predictions = head(tuple(teacher_features))[:2]
        (target, logits), (of_teacher, boxes) = (
            split(levels, num_images, length)
            for levels, length in ((cls_scores, head.cls_out_channels), (box_predictions, box_length(head)))
        )
        sizes = [level.shape[2:] for level in cls_scores]
        distance = Predictions(head, sizes, num_images).distance
        weights = self.cls_weight, self.box_weight
        return self.loss_weight * distance((logits, boxes), (target, of_teacher), weights, self.beta)


def split(levels: Sequence[Tensor], num_images: int, length: int) -> tuple[Tensor, Tensor]:
    """Predictions (2 B, A length, H_l, W_l) of the halves of a batch, each as rows (n, length) in float32 at least."""
    halves = zip(*((level[:num_images], level[num_images:]) for level in levels))
    first, second = (to_rows(half, length) for half in halves)
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
