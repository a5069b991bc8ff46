"""The distillation loss of FM-KT^Θ."""

from collections.abc import Sequence

import torch
from mmrazor.registry import MODELS
from torch import Tensor

from mmfmkt.flow import Trajectory

from .fmkt_loss import FMKTLoss
from .level_metric import LevelMetric

STUDENT_TARGETS = ('flow', 'teacher', 'both')


@MODELS.register_module()
class FMKTThetaLoss(FMKTLoss):
    r"""FM-KT's loss and a pull of the student's own feature towards the output of the flow.

    .. math:: L_\Theta = L + w_S \sum_l w_l \, \mathrm{metric}(T(X^S_l), \mathrm{stopgrad}(T(Z_{l,0})))

    (arXiv:2402.02012, FM-KT^Θ). The heads read `X^S`, so the flow can be dropped after training. With another
    `student_target` the pull is towards the teacher's feature, `metric(T(X^S), X^T)`, or the mean of both.

    Args:
        metric: see :class:`FMKTLoss`.
        loss_weight: w, at least 0; it multiplies both terms.
        student_weight: w_S, at least 0.
        student_target: what the student's own feature is pulled towards: 'flow', the paper's, 'teacher' or 'both'.
        transform: see :class:`FMKTLoss`.
        teacher_levels: see :class:`FMKTLoss`.
        keep_pairs: see :class:`FMKTLoss`.

    Raises:
        ValueError: if a weight is negative, if `student_target` is none of the three, and as :class:`FMKTLoss`.
    """

    def __init__(
        self,
        metric: dict | list[dict] | None = None,
        loss_weight: float | list[float] = 1.0,
        student_weight: float = 1.0,
        transform: dict | list[dict | None] | None = None,
        teacher_levels: Sequence[int] | None = None,
        keep_pairs: float = 1.0,
        student_target: str = 'flow',
    ) -> None:
        super().__init__(metric, loss_weight, transform, teacher_levels, keep_pairs)
        if student_weight < 0:
            raise ValueError(f'`student_weight` must be at least 0, but got {student_weight}')
        if student_target not in STUDENT_TARGETS:
            raise ValueError(
                f'`student_target` must be one of {", ".join(STUDENT_TARGETS)}, but got {student_target!r}'
            )
        self.student_weight, self.student_target = student_weight, student_target
        self.student_features = None

    def forward(
        self,
        trajectories: dict[int, Trajectory] | Sequence[Trajectory],
        teacher_features: Tensor | Sequence[Tensor],
        student_features: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """The loss of all levels, a scalar; see :class:`FMKTLoss`.

        Args:
            trajectories: see there.
            teacher_features: see there.
            student_features: the student's whole pyramid, for a flow that starts from a detached copy of it.
        """
        self.student_features = student_features
        try:
            return super().forward(trajectories, teacher_features)
        finally:
            self.student_features = None

    def level_loss(self, level: int, of_student: Trajectory, target: Tensor, level_metric: LevelMetric) -> Tensor:
        source = of_student.source if self.student_features is None else self.student_features[level]
        own = level_metric.predict(source, target)
        pulls = [
            level_metric.distance(own, towards, *self.context)
            for towards in self.student_targets(of_student, target, level_metric)
        ]
        return super().level_loss(level, of_student, target, level_metric) + self.student_weight * sum(pulls) / len(
            pulls
        )

    def student_targets(self, of_student: Trajectory, target: Tensor, level_metric: LevelMetric) -> list[Tensor]:
        """What the student's own feature is compared with."""
        targets = []
        if self.student_target != 'teacher':
            with torch.no_grad():  # the student follows the flow here, the flow must not come down to the student
                targets.append(level_metric.predict(of_student.output.detach(), target))
        return targets if self.student_target == 'flow' else [*targets, target]
