"""The distillation loss of FM-KT, in all its forms."""

from collections.abc import Sequence
from typing import cast

import torch
from mmrazor.registry import MODELS
from torch import Tensor

from mmfmkt.common.building import build_part
from mmfmkt.detectors.evaluating import evaluating
from mmfmkt.flow import Trajectory

from .diagnostics import diagnose
from .ground_truth import GroundTruth
from .level_loss import LevelLoss
from .level_metric import LevelMetric
from .targets import Target, TeacherTarget

Trajectories = dict[int, Trajectory] | Sequence[Trajectory]


@MODELS.register_module()
class FMKTLoss(LevelLoss):
    r"""Any metric, taken between every endpoint of a trajectory and a target.

    .. math:: L = \sum_l w_l \Big[ \frac 1 N \sum_{i=1}^N \mathrm{metric}(T(\hat X_{l,i}), Y_l)
        + w_S \, \mathrm{metric}(T(X^S_l), \mathrm{stopgrad}(T(Z_{l,0}))) \Big]

    The target `Y` is the teacher's feature `X^T` (FM-KT) or the flow's own output (OFM-KT). The second term, the
    student's, pulls the student's own feature towards the output of the flow (FM-KT^Θ): the heads read `X^S`, and the
    flow is dropped after training. With `student_weight` 0 it is left out: the heads read `Z_0`.

    The levels are summed as in MMRazor's detection configs (serial training, arXiv:2402.02012, section 3). The steps
    weigh the same whatever the schedule, as in the paper; under L2 and a rectified flow, whose steps also cover the
    same share of the way, the first term is a bound of the error of the output. It is on the endpoints, not on the
    velocities: the two are equal under L2, and not under a metric such as PKD.

    Args:
        metric: see :class:`~mmfmkt.models.losses.level_loss.LevelLoss`; the levels are those of the flow.
        loss_weight: w, at least 0; it multiplies both terms.
        transform: config of `T`, see there; `StudentClassifier` for logits.
        student_weight: w_S, at least 0.
        target: config of the target, :class:`~mmfmkt.models.losses.targets.TeacherTarget` by default.

    Attributes:
        diagnosing: whether the next forward passes leave `diagnostics` behind.
        diagnostics: level -> name -> scalar, see :func:`~mmfmkt.models.losses.diagnostics.diagnose` and `carried`.
        distances: level -> the unweighted metric of each step in the last forward pass, N scalars.

    Raises:
        ValueError: if a weight is negative, if lists differ in length, or if a config is not that of a loss, a
            connector or a target.
    """

    def __init__(
        self,
        metric: dict | list[dict] | None = None,
        loss_weight: float | list[float] = 1.0,
        transform: dict | list[dict | None] | None = None,
        student_weight: float = 0.0,
        target: dict | Target | None = None,
    ) -> None:
        super().__init__(metric, loss_weight, transform)
        if not isinstance(student_weight, (int, float)) or not student_weight >= 0:
            raise ValueError(f'`student_weight` must be a number of at least 0, but got {student_weight!r}')
        self.student_weight = student_weight
        self.target = build_part(TeacherTarget() if target is None else target, Target, 'target')
        self.teacher_levels = getattr(self.target, 'levels', None)
        self.diagnosing = False
        self.diagnostics: dict[int, dict[str, Tensor]] = {}
        self.distances: dict[int, list[Tensor]] = {}

    def forward(
        self,
        trajectories: Trajectories,
        teacher_features: Tensor | Sequence[Tensor] | None = None,
        data_samples: Sequence | None = None,
    ) -> Tensor:
        """The loss of all levels, a scalar.

        Args:
            trajectories: level -> trajectory of the student's feature; a sequence has one for each level from 0 on.
            teacher_features: the teacher's whole pyramid, of the shapes of `T`'s output at these levels; a single
                tensor is a pyramid of one. Not read if the target is the flow's own output.
            data_samples: those of the batch, for a metric that reads boxes.

        Raises:
            ValueError: if there is no trajectory, if the teacher lacks a level, if lists of settings are not of the
                length of the levels, if shapes differ, or if the metric reads what the loss does not get.
        """
        trajectories = by_level(trajectories)
        teacher = self.target.of_pyramid(trajectories, teacher_features, self.training)
        return self.compare(trajectories, teacher, data_samples)

    def sources(self, trajectories: Trajectories) -> dict[int, Tensor]:
        return {level: trajectory.source for level, trajectory in by_level(trajectories).items()}

    def level_loss(
        self, level: int, of_student: Trajectory, teacher: Tensor | None, level_metric: LevelMetric, truth: GroundTruth
    ) -> Tensor:
        target = self.target.of_level(teacher, of_student, level_metric)
        students = self.student_term(level, of_student, target, level_metric, truth) if self.student_weight else None
        predictions = level_metric.predictions(of_student, target)
        distances = level_metric.distances(predictions, target, truth)
        self.distances[level] = [distance.detach() for distance in distances]
        if self.diagnosing:
            self.diagnostics[level] = diagnose(predictions, of_student.weights, distances, target)
            if teacher is not None:
                self.diagnostics[level]['carried'] = self.carried(of_student, target, level_metric, truth)
        of_steps = cast(Tensor, sum(distances)) / len(distances)
        return of_steps if students is None else of_steps + self.student_weight * students

    def student_term(
        self, level: int, of_student: Trajectory, target: Tensor, level_metric: LevelMetric, truth: GroundTruth
    ) -> Tensor:
        """The metric between the student's own feature and the output of the flow."""
        own = level_metric.predict(of_student.source, target)
        with torch.no_grad():  # the student follows the flow here, the flow must not come down to the student
            output = level_metric.predict(of_student.output.detach(), target)
        return level_metric.distance(own, output, truth)

    def carried(self, of_student: Trajectory, target: Tensor, level_metric: LevelMetric, truth: GroundTruth) -> Tensor:
        """The share of the student's distance to the target that the flow carries it: 1 if it arrives, 0 if it stays.

        It is below 0 where the output of the flow is farther away than the student's feature. One process alone looks:
        in training, metrics may wait for the others.
        """
        with evaluating(level_metric):
            ends = [level_metric.predict(end, target) for end in (of_student.source, of_student.output)]
            start, end = level_metric.distances(ends, target, truth)
        return 1 - end / start

    def non_finite_steps(self) -> list[str]:
        """Of the last forward pass, the levels and steps (t = 1 first) whose metric was NaN or infinite."""
        return [
            f'level {level} step {step}'
            for level, distances in self.distances.items()
            for step, distance in enumerate(distances, 1)
            if not distance.isfinite()
        ]


def by_level(trajectories: Trajectories) -> dict[int, Trajectory]:
    if not len(trajectories):
        raise ValueError(
            'there must be a trajectory, but none was recorded: the `source` of the recorder is a flow that did not run'
        )
    trajectories = trajectories if isinstance(trajectories, dict) else dict(enumerate(trajectories))
    if not all(isinstance(trajectory, Trajectory) for trajectory in trajectories.values()):
        raise ValueError(
            '`trajectories` must be those of a flow, but got features: in `loss_forward_mappings`, its recorder must '
            "listen to the flow of a neck or head, or it needs connector='flow'"
        )
    return trajectories
