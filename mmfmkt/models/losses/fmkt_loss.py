"""The distillation loss of FM-KT."""

from collections.abc import Sequence

from mmrazor.registry import MODELS
from torch import Tensor

from mmfmkt.flow import Trajectory

from .diagnostics import diagnose
from .level_loss import LevelLoss
from .level_metric import LevelMetric
from .pair_decoupling import decouple, decoupled_order


@MODELS.register_module()
class FMKTLoss(LevelLoss):
    r"""Any distillation loss, taken between every endpoint of a trajectory and the teacher's feature.

    .. math:: L = \sum_l w_l \frac 1 N \sum_{i=1}^N \mathrm{metric}(T(\hat X_{l,i}), X^T_l)

    (serial training, arXiv:2402.02012, section 3; the levels are summed as in MMRazor's detection configs). The steps
    weigh the same whatever the schedule, as in the paper; under L2 and a rectified flow, whose steps also cover the same
    share of the way, the loss is a bound of the error of the output. The loss is on the endpoints, not on the
    velocities: the two are equal under L2, and not under a metric such as PKD. The metric is computed in float32 under
    mixed precision.

    Args:
        metric: see :class:`~mmfmkt.models.losses.level_loss.LevelLoss`; the levels are those of the flow.
        loss_weight: w, at least 0.
        transform: config of `T`, see there; `StudentClassifier` for logits.
        teacher_levels: see there.
        keep_pairs: share of the batch that is compared with its own teacher features, in [0, 1]; the rest with those of
            other images (Pair Decoupling, in training only). Keep 1 for spatial maps.

    Attributes:
        diagnosing: whether the next forward passes leave `diagnostics` behind.
        diagnostics: level -> name -> scalar, see :func:`~mmfmkt.models.losses.diagnostics.diagnose`.
        distances: level -> the unweighted metric of each step in the last forward pass, N scalars.

    Raises:
        ValueError: if a weight is negative, if `keep_pairs` is not in [0, 1], if lists differ in length, or if a config
            is not that of a loss or a connector.
    """

    def __init__(
        self,
        metric: dict | list[dict] | None = None,
        loss_weight: float | list[float] = 1.0,
        transform: dict | list[dict | None] | None = None,
        teacher_levels: Sequence[int] | None = None,
        keep_pairs: float = 1.0,
    ) -> None:
        super().__init__(metric, loss_weight, transform, teacher_levels)
        if not isinstance(keep_pairs, (int, float)) or not 0 <= keep_pairs <= 1:
            raise ValueError(f'`keep_pairs` must lie in [0, 1], but got {keep_pairs!r}')
        self.keep_pairs = keep_pairs
        self.diagnosing, self.diagnostics, self.distances = False, {}, {}

    def forward(
        self, trajectories: dict[int, Trajectory] | Sequence[Trajectory], teacher_features: Tensor | Sequence[Tensor]
    ) -> Tensor:
        """The loss of all levels, a scalar.

        Args:
            trajectories: level -> trajectory of the student's feature; a sequence has one for each level from 0 on.
            teacher_features: the teacher's whole pyramid, of the shapes of `T`'s output at these levels; a single tensor
                is a pyramid of one.

        Raises:
            ValueError: if there is no trajectory, if the teacher lacks a level, if lists of settings are not of the
                length of the levels, or if shapes differ.
        """
        trajectories = by_level(trajectories)
        targets = {level: target for level, (_, target) in self.match(trajectories, teacher_features).items()}
        if self.training and self.keep_pairs < 1:
            order = decoupled_order(len(next(iter(targets.values()))), self.keep_pairs)
            targets = {level: decouple(target, order) for level, target in targets.items()}
        return self.compare(trajectories, targets)

    def sources(self, trajectories: dict[int, Trajectory] | Sequence[Trajectory]) -> dict[int, Tensor]:
        return {level: trajectory.source for level, trajectory in by_level(trajectories).items()}

    def level_loss(self, level: int, of_student: Trajectory, target: Tensor, level_metric: LevelMetric) -> Tensor:
        predictions = level_metric.predictions(of_student, target)
        distances = level_metric.distances(predictions, target, *self.context)
        self.distances[level] = [distance.detach() for distance in distances]
        if self.diagnosing:
            self.diagnostics[level] = diagnose(predictions, of_student.weights, distances, target)
        return sum(distances) / len(distances)

    def non_finite_steps(self) -> list[str]:
        """Of the last forward pass, the levels and steps (t = 1 first) whose metric was NaN or infinite."""
        return [
            f'level {level} step {step}'
            for level, distances in self.distances.items()
            for step, distance in enumerate(distances, 1)
            if not distance.isfinite()
        ]


def by_level(trajectories: dict[int, Trajectory] | Sequence[Trajectory]) -> dict[int, Trajectory]:
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
