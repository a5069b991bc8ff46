"""What the losses between levels of two pyramids share."""

from collections.abc import Iterable, Sequence
from typing import Any, cast

from torch import Tensor, nn

from .ground_truth import GroundTruth, read
from .level_metric import LevelMetric


class LevelLoss(nn.Module):
    """A weighted sum over the levels of a pyramid, each compared with a level of the teacher's.

    `metric`, `loss_weight` and `transform` hold for all levels; each may also be a list with one for every level.

    Args:
        metric: config of a loss of MMRazor or MMDetection with two inputs, whatever their names, PKD (arXiv:2207.02039)
            by default; it is called as `metric(student, teacher)` in float32 at least and returns a scalar. One with
            `reads = ('boxes', )` gets the boxes of the images besides.
        loss_weight: w, at least 0.
        transform: config of a connector for the student's side, such as a 1x1 convolution to the teacher's channels. It
            belongs to the prediction: a trainable projection of the target could collapse to one that is easy to match.

    Attributes:
        teacher_levels: the level of the teacher for each level, where it is not that of the same number.

    Raises:
        ValueError: if a weight is negative, if lists differ in length, or if a config is not that of a loss or a
            connector.
    """

    teacher_levels: Sequence[int] | None = None

    def __init__(
        self,
        metric: dict | list[dict] | None = None,
        loss_weight: float | list[float] = 1.0,
        transform: dict | list[dict | None] | None = None,
    ) -> None:
        super().__init__()
        self.level_metrics = nn.ModuleList(
            LevelMetric(**settings)
            for settings in for_each_level(metric=metric, transform=transform, loss_weight=loss_weight)
        )

    def sources(self, of_student: Any) -> dict[int, Tensor]:
        """Level -> the student's feature, of what `forward` gets of the student."""
        raise NotImplementedError

    def compare(self, levels: dict[int, Any], targets: dict[int, Any], data_samples: Sequence | None = None) -> Tensor:
        """The weighted sum of the levels' losses."""
        if len(self.level_metrics) not in (1, len(levels)):
            raise ValueError(
                '`metric`, `loss_weight` and `transform` must be one for all levels or a list with one for '
                f'each of the {len(levels)} levels, but got {len(self.level_metrics)}'
            )
        level_metrics = cast(Sequence[LevelMetric], self.level_metrics)
        truth = read({name for level_metric in level_metrics for name in level_metric.reads}, data_samples)
        total: Tensor | int = 0
        for index, (level, of_student) in enumerate(levels.items()):
            level_metric = level_metrics[index % len(level_metrics)]
            total = total + level_metric.loss_weight * self.level_loss(
                level, of_student, targets[level], level_metric, truth
            )
        return cast(Tensor, total)

    def level_loss(
        self, level: int, of_student: Any, teacher: Any, level_metric: LevelMetric, truth: GroundTruth
    ) -> Tensor:
        """The unweighted loss of one level."""
        raise NotImplementedError


def matched_features(
    levels: Iterable[int], teacher_features: Tensor | Sequence[Tensor], teacher_levels: Sequence[int] | None
) -> dict[int, tuple[int, Tensor]]:
    """For every level of the student, the level of the teacher that it is compared with, and its feature.

    Args:
        levels: those of the student.
        teacher_features: the teacher's whole pyramid; a single tensor is a pyramid of one.
        teacher_levels: the level of the teacher for each of them, in their order; by default that of the same number.

    Raises:
        ValueError: if the teacher lacks one.
    """
    levels = list(levels)
    teacher_features = [teacher_features] if isinstance(teacher_features, Tensor) else teacher_features
    wanted = list(levels if teacher_levels is None else teacher_levels)
    if len(wanted) != len(levels) or not 0 <= min(wanted) <= max(wanted) < len(teacher_features):
        raise ValueError(
            f"every level of the student that is compared, {levels}, must have a level of the teacher's pyramid, which "
            f'has {len(teacher_features)}, but got {wanted}; set `levels` of the flow or of the loss, or the levels of '
            'the teacher, `target.levels` of FMKTLoss or `teacher_levels` of FeatureLoss'
        )
    return {level: (other, teacher_features[other]) for level, other in zip(levels, wanted)}


def for_each_level(**settings: Any) -> list[dict]:
    """The settings of every level, or one for all of them if no setting is a list."""
    lengths = {name: len(value) for name, value in settings.items() if isinstance(value, (list, tuple))}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise ValueError(
            f'lists of settings for each level must be of one length, that of the levels, but got {lengths}'
        )
    num_levels = next(iter(lengths.values()), 1)
    return [
        {name: value[level] if name in lengths else value for name, value in settings.items()}
        for level in range(num_levels)
    ]
