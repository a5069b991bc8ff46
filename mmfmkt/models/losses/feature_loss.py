"""Distillation without a flow: any metric between the levels of two pyramids."""

from collections.abc import Sequence

from mmrazor.registry import MODELS
from torch import Tensor

from .ground_truth import GroundTruth
from .level_loss import LevelLoss, matched_features
from .level_metric import LevelMetric


@MODELS.register_module()
class FeatureLoss(LevelLoss):
    r"""Any distillation loss between the student's features and the teacher's.

    .. math:: L = \sum_l w_l \, \mathrm{metric}(T(X^S_l), X^T_l)

    With PKD, CWD, MGD and others as the metric this is what FM-KT is compared with: what :class:`FMKTLoss` is, without
    the steps in between.

    Args:
        metric: see :class:`~mmfmkt.models.losses.level_loss.LevelLoss`.
        loss_weight: w, at least 0.
        transform: see there.
        levels: the levels of the student's pyramid that are compared, counted from 0; all by default.
        teacher_levels: the level of the teacher's pyramid that every level is compared with, in their order; by default
            those of the same numbers.

    Raises:
        ValueError: as :class:`~mmfmkt.models.losses.level_loss.LevelLoss`.
    """

    def __init__(
        self,
        metric: dict | list[dict] | None = None,
        loss_weight: float | list[float] = 1.0,
        transform: dict | list[dict | None] | None = None,
        levels: Sequence[int] | None = None,
        teacher_levels: Sequence[int] | None = None,
    ) -> None:
        super().__init__(metric, loss_weight, transform)
        self.levels, self.teacher_levels = levels, teacher_levels

    def sources(self, student_features: Tensor | Sequence[Tensor]) -> dict[int, Tensor]:
        """Level -> feature, of the levels of the student's pyramid that are compared.

        Raises:
            ValueError: if it lacks one.
        """
        features = dict(enumerate([student_features] if isinstance(student_features, Tensor) else student_features))
        if self.levels is None:
            return features
        if not set(self.levels) <= set(features):
            raise ValueError(
                f"`levels` of the loss must be levels of the student's pyramid, {list(features)}, but got "
                f'{list(self.levels)}'
            )
        return {level: features[level] for level in self.levels}

    def forward(
        self,
        student_features: Tensor | Sequence[Tensor],
        teacher_features: Tensor | Sequence[Tensor],
        data_samples: Sequence | None = None,
    ) -> Tensor:
        """The loss of all levels, a scalar.

        Args:
            student_features: the student's whole pyramid, (B, C, H_l, W_l); a single tensor is a pyramid of one.
            teacher_features: the teacher's, of the shapes of `T`'s output at the levels that are compared.
            data_samples: those of the batch, for a metric that reads boxes.

        Raises:
            ValueError: if a pyramid lacks a level, if lists of settings are not of the length of the levels, if shapes
                differ, or if the metric reads what the loss does not get.
        """
        features = self.sources(student_features)
        matched = matched_features(features, teacher_features, self.teacher_levels)
        return self.compare(features, {level: target for level, (_, target) in matched.items()}, data_samples)

    def level_loss(
        self, level: int, of_student: Tensor, teacher: Tensor, level_metric: LevelMetric, truth: GroundTruth
    ) -> Tensor:
        return level_metric.distance(level_metric.predict(of_student, teacher), teacher, truth)
