"""What the endpoints of a flow are compared with: the teacher's features, or the flow's own output."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from mmrazor.registry import MODELS
from torch import Tensor

from mmfmkt.flow import Trajectory

from .level_loss import matched_features
from .level_metric import LevelMetric
from .pair_decoupling import decouple, decoupled_order


class Target:
    """What an :class:`FMKTLoss` compares with. One of your own is a subclass, registered in MMRazor's `MODELS`."""

    def of_pyramid(
        self, levels: Iterable[int], teacher_features: Tensor | Sequence[Tensor] | None, training: bool
    ) -> dict[int, Any]:
        """Level -> the teacher's feature that belongs to it, or None if the target is not the teacher's."""
        raise NotImplementedError

    def of_level(self, teacher: Any, trajectory: Trajectory, level_metric: LevelMetric) -> Tensor:
        """The target of a level, with the teacher's feature of :meth:`of_pyramid`."""
        raise NotImplementedError


@MODELS.register_module()
class TeacherTarget(Target):
    """The teacher's features.

    Args:
        levels: the level of the teacher's pyramid, counted from 0, that every level is compared with, in their order;
            by default those of the same numbers.
        keep_pairs: share of the batch that is compared with its own teacher features, in [0, 1]; the rest with those of
            other images (Pair Decoupling, in training only). Keep 1 for spatial maps.

    Raises:
        ValueError: if `keep_pairs` is not in [0, 1].
    """

    def __init__(self, levels: Sequence[int] | None = None, keep_pairs: float = 1.0) -> None:
        if not isinstance(keep_pairs, (int, float)) or not 0 <= keep_pairs <= 1:
            raise ValueError(f'`keep_pairs` must lie in [0, 1], but got {keep_pairs!r}')
        self.levels, self.keep_pairs = levels, keep_pairs

    def of_pyramid(
        self, levels: Iterable[int], teacher_features: Tensor | Sequence[Tensor] | None, training: bool
    ) -> dict[int, Tensor]:
        """Level -> the teacher's feature; in training those of other images for a share of the batch.

        Raises:
            ValueError: if the loss gets no features of a teacher, or if the teacher lacks a level.
        """
        if teacher_features is None:
            raise ValueError(
                'a loss whose target is the teacher must get `teacher_features`, but it does not; map them to the '
                "loss, or set target=dict(type='mmrazor.OwnOutput')"
            )
        matched = matched_features(levels, teacher_features, self.levels)
        targets = {level: feature for level, (_, feature) in matched.items()}
        if training and self.keep_pairs < 1:
            order = decoupled_order(len(next(iter(targets.values()))), self.keep_pairs)
            targets = {level: decouple(target, order) for level, target in targets.items()}
        return targets

    def of_level(self, teacher: Tensor, trajectory: Trajectory, level_metric: LevelMetric) -> Tensor:
        return teacher


@MODELS.register_module()
class OwnOutput(Target):
    """The flow's own output `stopgrad(T(Z_0))`: OFM-KT, without a teacher.

    `Z_0` is the mean of the endpoints, so that every step learns from the ensemble of all (arXiv:2402.02012, OFM-KT).
    What the ensemble should be is told by the task loss alone, so something must carry that to the flow: heads that
    read `Z_0` (`FlowNeck`, `FlowHead`), a `StepTaskLoss`, or the algorithm `OFMKTThetaDistill`.
    """

    def of_pyramid(
        self, levels: Iterable[int], teacher_features: Tensor | Sequence[Tensor] | None, training: bool
    ) -> dict[int, None]:
        return dict.fromkeys(levels)

    def of_level(self, teacher: None, trajectory: Trajectory, level_metric: LevelMetric) -> Tensor:
        with torch.no_grad():  # the steps learn from their mean, which must not come to meet the worst of them
            return level_metric.transform(trajectory.output.detach())
