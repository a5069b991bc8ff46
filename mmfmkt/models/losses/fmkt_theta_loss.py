"""The distillation loss of FM-KT^Θ."""
from typing import Sequence

import torch
from mmrazor.registry import MODELS
from torch import Tensor

from mmfmkt.flow import Trajectory

from .fmkt_loss import FMKTLoss
from .metric import LevelMetric


@MODELS.register_module()
class FMKTThetaLoss(FMKTLoss):
    r"""FM-KT's loss and a pull of the student's own feature towards the output of the flow.

    .. math:: L_\Theta = L + w_S \sum_l w_l \, \mathrm{metric}(T(X^S_l), \mathrm{stopgrad}(T(Z_{l,0})))

    (arXiv:2402.02012, FM-KT^Θ). The heads read `X^S`, so the flow can be dropped after training.

    Args:
        metric: see :class:`FMKTLoss`.
        loss_weight: w, at least 0; it multiplies both terms.
        student_weight: w_S, at least 0.
        transform: see :class:`FMKTLoss`.
        teacher_levels: see :class:`FMKTLoss`.
        keep_pairs: see :class:`FMKTLoss`.

    Raises:
        ValueError: if a weight is negative, and as :class:`FMKTLoss`.
    """

    def __init__(self,
                 metric: dict | list[dict] | None = None,
                 loss_weight: float | list[float] = 1.0,
                 student_weight: float = 1.0,
                 transform: dict | list[dict | None] | None = None,
                 teacher_levels: Sequence[int] | None = None,
                 keep_pairs: float = 1.0) -> None:
        super().__init__(metric, loss_weight, transform, teacher_levels, keep_pairs)
        if student_weight < 0:
            raise ValueError(f'`student_weight` must be at least 0, but got {student_weight}')
        self.student_weight = student_weight

    def level_loss(self, level: int, of_student: Trajectory, target: Tensor, level_metric: LevelMetric) -> Tensor:
        with torch.no_grad():  # the student follows the flow here, the flow must not come down to the student
            output = level_metric.transform(of_student.output.detach())
        pull = level_metric.distance(level_metric.transform(of_student.source), output)
        return super().level_loss(level, of_student, target, level_metric) + self.student_weight * pull
