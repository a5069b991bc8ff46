"""Distillation of logits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmengine.model import BaseModel
from mmrazor.registry import MODELS
from torch import Tensor, nn

from mmfmkt.detectors.comparable_heads import find_head, why_logits_differ
from mmfmkt.models.metrics.binary_kd import BinaryKDMetric, QualityFocalMetric
from mmfmkt.models.metrics.row_metrics import location_rows

from .level_metric import LevelMetric, fit_size


@MODELS.register_module()
class LogitLoss(nn.Module):
    r"""Any metric between the class logits of two heads, one row for every anchor or proposal.

    .. math:: L = w \, \mathrm{metric}(s, t), \quad s, t \in R^{n \times K}

    With the n anchors of all levels and images of a dense head, or the n proposals of the student for box heads. With
    `BinaryKDMetric`, or `KLDivergence` for softmax logits, this is knowledge distillation (arXiv:1503.02531); with
    `DISTLoss` it is DIST (arXiv:2205.10536); with `QualityFocalMetric` the classification of BCKD (arXiv:2308.14286).

    Args:
        metric: config of a loss of two (n, K).
        loss_weight: w, at least 0.

    Raises:
        ValueError: if `loss_weight` is negative, or if `metric` is no loss of two tensors alone.
    """

    def __init__(self, metric: dict, loss_weight: float = 1.0) -> None:
        super().__init__()
        self.metric, self.loss_weight = LevelMetric(metric, None, loss_weight), loss_weight
        if self.metric.reads:
            name = type(self.metric.metric).__name__
            raise ValueError(
                f'`metric` of LogitLoss must be a metric of logits alone, but {name} reads '
                f'{", ".join(self.metric.reads)} besides; use it with a method that compares features'
            )

    @staticmethod
    def misfit(student: BaseModel, teacher: BaseModel) -> str | None:
        """Why the logits of the two cannot be compared; None if they can."""
        return why_logits_differ(student, teacher)

    def check_classes(self) -> None:
        """Raise a ValueError if the metric compares distributions over classes and there is one class."""
        if self.cls_out_channels == 1 and not isinstance(self.metric.metric, (BinaryKDMetric, QualityFocalMetric)):
            raise ValueError(
                'the metric of LogitLoss must be a BinaryKDMetric for a dense head of one class, whose softmax is '
                f'always 1, but got {type(self.metric.metric).__name__}; take the method kd, or one that compares '
                'features'
            )

    def prepare_from_student(self, student: BaseModel) -> None:
        # not `num_classes`, which NumClassCheckHook compares with the data wherever there is one
        self.cls_out_channels = getattr(student.get_submodule(find_head(student)), 'cls_out_channels', None)
        self.check_classes()

    def forward(self, student_logits: Tensor | Sequence[Tensor], teacher_logits: Tensor | Sequence[Tensor]) -> Tensor:
        """Logits of every level (B, A K, H_l, W_l), or of proposals (n, K), of student and teacher -> scalar."""
        if not isinstance(student_logits, Tensor):
            student_logits = [fit_size(own, other) for own, other in zip(student_logits, teacher_logits)]
        return self.loss_weight * self.metric.distance(self.rows(student_logits), self.rows(teacher_logits))

    def rows(self, logits: Tensor | Sequence[Tensor]) -> Tensor:
        if isinstance(logits, Tensor):
            return logits
        assert self.cls_out_channels is not None  # a dense head has them
        return torch.cat([location_rows(of_level, self.cls_out_channels) for of_level in logits])
