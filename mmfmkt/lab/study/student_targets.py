"""What else FM-KT^Θ's student could be pulled towards: an extension of the project, made for a study.

Its methods are files in `configs/studies/methods/`, which import this module by `custom_imports`; it shows how a loss
and a connector of one's own are added.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmrazor.registry import MODELS
from torch import Tensor

from mmfmkt.flow import Trajectory
from mmfmkt.models import FlowConnector, FMKTLoss
from mmfmkt.models.losses.fmkt_loss import Trajectories
from mmfmkt.models.losses.ground_truth import GroundTruth
from mmfmkt.models.losses.level_metric import LevelMetric

STUDENT_TARGETS = ('flow', 'teacher', 'both')


@MODELS.register_module()
class StudentTargetLoss(FMKTLoss):
    """FM-KT^Θ's loss, whose student is pulled towards the output of the flow, the teacher's feature, or their mean.

    Args:
        student_target: 'flow', the paper's, 'teacher' or 'both'.
        settings: those of :class:`~mmfmkt.models.losses.fmkt_loss.FMKTLoss`.

    Raises:
        ValueError: if `student_target` is none of the three.
    """

    def __init__(self, student_target: str = 'flow', student_weight: float = 1.0, **settings: Any) -> None:
        super().__init__(student_weight=student_weight, **settings)
        if student_target not in STUDENT_TARGETS:
            raise ValueError(
                f'`student_target` must be one of {", ".join(STUDENT_TARGETS)}, but got {student_target!r}'
            )
        self.student_target = student_target
        self.student_features: Sequence[Tensor] | None = None

    def forward(
        self,
        trajectories: Trajectories,
        teacher_features: Tensor | Sequence[Tensor] | None = None,
        data_samples: Sequence | None = None,
        student_features: Sequence[Tensor] | None = None,
    ) -> Tensor:
        """The loss of all levels, a scalar.

        Args:
            trajectories: see :class:`~mmfmkt.models.losses.fmkt_loss.FMKTLoss`.
            teacher_features: see there.
            data_samples: see there.
            student_features: the student's whole pyramid, for a flow that starts from a detached copy of it.
        """
        self.student_features = student_features
        try:
            return super().forward(trajectories, teacher_features, data_samples)
        finally:
            self.student_features = None

    def student_term(
        self, level: int, of_student: Trajectory, target: Tensor, level_metric: LevelMetric, truth: GroundTruth
    ) -> Tensor:
        source = of_student.source if self.student_features is None else self.student_features[level]
        own, towards = level_metric.predict(source, target), []
        if self.student_target != 'teacher':
            with torch.no_grad():
                towards.append(level_metric.predict(of_student.output.detach(), target))
        if self.student_target != 'flow':
            towards.append(target)
        return sum(level_metric.distance(own, each, truth) for each in towards) / len(towards)


@MODELS.register_module()
class DetachedFlowConnector(FlowConnector):
    """A flow that follows the student, and whose loss does not move the student.

    The student learns from its own term alone, for which a :class:`StudentTargetLoss` must get `student_features`.
    """

    def forward_train(self, feature: tuple[Tensor, ...]) -> dict[int, Trajectory]:
        """A pyramid of L features (B, C, H_l, W_l) -> level -> trajectory."""
        return super().forward_train(tuple(level.detach() for level in feature))
