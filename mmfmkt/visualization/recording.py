"""The path of the flow on some images: what the loss compares with the teacher, in eval mode and without a trace."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from mmfmkt.detectors.evaluating import evaluating
from mmfmkt.flow import Trajectory
from mmfmkt.models import FMKTDistill, FMKTLoss
from mmfmkt.models.flows.student_classifier import StudentClassifier
from mmfmkt.models.losses.level_metric import LevelMetric
from mmfmkt.models.recorders.recorded_heads import forget_records

NO_FLOW = (
    'flow pictures must be of a method that has a flow between the pyramids of student and teacher, but got {}; take '
    'the config and the checkpoint of fmkt, fmkt-theta, ofmkt or ofmkt-theta'
)


@dataclass(frozen=True)
class LevelPath:
    """The path of one level, as its loss sees it: after the transformation `T`, of the shape of the target.

    Attributes:
        stride: pixels of the images a location.
        states: from the student's feature, at t = 1, to the output, at t = 0: N + 1 maps (B, C, H, W).
        endpoints: what each of the N steps expects at t = 0, the step at t = 1 first.
        target: the teacher's feature; without a teacher, the output.
    """

    stride: int
    states: tuple[Tensor, ...]
    endpoints: tuple[Tensor, ...]
    target: Tensor

    @property
    def times(self) -> tuple[float, ...]:
        """The times of the states, 1 down to 0; those of the endpoints are the first N."""
        num_steps = len(self.endpoints)
        return tuple(step / num_steps for step in range(num_steps, -1, -1))


def find_flow_loss(model: nn.Module) -> str:
    """The name of the loss of a distillation that reads a flow of the pyramid.

    Raises:
        ValueError: if there is none.
    """
    if not isinstance(model, FMKTDistill):
        raise ValueError(NO_FLOW.format(f'{type(model).__name__} without distillation'))
    losses = model.distiller.distill_losses
    for name, loss in losses.items():
        if isinstance(loss, FMKTLoss) and not any(
            isinstance(each.transform, StudentClassifier) for each in loss.level_metrics
        ):
            return name
    raise ValueError(NO_FLOW.format(f'{", ".join(f"{name} ({type(loss).__name__})" for name, loss in losses.items())}'))


def record_paths(algorithm: FMKTDistill, images: Tensor, data_samples: list) -> dict[int, LevelPath]:
    """Level -> its path, of normalised images (B, 3, H, W) of the student.

    Raises:
        ValueError: if the algorithm has no flow in its pyramid.
    """
    name, distiller = find_flow_loss(algorithm), algorithm.distiller
    with evaluating(algorithm), distiller.student_recorders, distiller.teacher_recorders:
        algorithm.architecture.extract_feat(images)
        if algorithm.teacher:
            algorithm.teacher.compute(
                images, data_samples
            )  # not what reads and writes the cache, which is for training
        records = {
            argument: distiller.get_record(**record)
            for argument, record in distiller.loss_forward_mappings[name].items()
            if argument in ('trajectories', 'teacher_features')
        }  # what else a metric reads is not drawn
        paths = paths_of(distiller.distill_losses[name], max(images.shape[2:]), **records)
    forget_records(distiller)
    return paths


def paths_of(
    loss: FMKTLoss, length: int, trajectories: dict[int, Trajectory], teacher_features: Any = None
) -> dict[int, LevelPath]:
    """Level -> its path on images whose longer side is `length` pixels, of what a loss gets."""
    targets = loss.target.of_pyramid(trajectories, teacher_features, training=False)
    metrics = loss.level_metrics
    return {
        level: path_of(trajectory, targets[level], metrics[index % len(metrics)], length)
        for index, (level, trajectory) in enumerate(trajectories.items())
    }


def path_of(trajectory: Trajectory, target: Tensor | None, level_metric: LevelMetric, length: int) -> LevelPath:
    if target is None:
        target = level_metric.transform(trajectory.output)
    states, endpoints = (
        tuple(level_metric.predict(feature, target) for feature in features)
        for features in (states_of(trajectory), trajectory.endpoints)
    )
    return LevelPath(stride_of(length, max(target.shape[2:])), states, endpoints, target)


def stride_of(length: int, locations: int) -> int:
    """The power of 2 that divides a side into so many locations, of which the last may lie partly outside."""
    return 2 ** round(math.log2(length / locations))


def states_of(trajectory: Trajectory) -> tuple[Tensor, ...]:
    """The N + 1 states of a trajectory, from `Z_1 = X^S` to its output, to the last digit."""
    steps = zip(trajectory.weights, trajectory.velocities)
    return tuple(itertools.accumulate(steps, lambda state, step: state - step[0] * step[1], initial=trajectory.source))
