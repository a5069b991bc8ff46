"""The distillation loss of FM-KT."""
from typing import Sequence

import torch
from mmrazor.registry import MODELS
from torch import Tensor, nn

from mmfmkt.flow import Trajectory


@MODELS.register_module()
class FMKTLoss(nn.Module):
    r"""Any distillation loss, taken between every endpoint of a trajectory and the teacher's feature.

    .. math:: L = w \sum_l \frac 1 N \sum_{i=1}^N \mathrm{metric}(\hat X_{l,i}, X^T_l)

    (serial training, arXiv:2402.02012, section 3; the levels are summed as in MMRazor's detection configs). The loss
    is on the endpoints, not on the velocities: the two are equal under L2, and not under a metric such as PKD. The
    metric is computed in float32 under mixed precision.

    Args:
        metric: config of a loss of MMRazor or MMDetection, PKD (arXiv:2207.02039) by default; it is called as
            `metric(student, teacher)` with two features (B, C, H, W) and returns a scalar.
        loss_weight: w, at least 0.

    Raises:
        ValueError: if `loss_weight` is negative.
    """

    def __init__(self, metric: dict | None = None, loss_weight: float = 1.0) -> None:
        super().__init__()
        if loss_weight < 0:
            raise ValueError(f'`loss_weight` must be at least 0, but got {loss_weight}')
        self.metric = MODELS.build(metric or dict(type='mmrazor.PKDLoss'))
        self.loss_weight = loss_weight

    def forward(self, trajectories: dict[int, Trajectory], teacher_features: Sequence[Tensor]) -> Tensor:
        """The loss of all levels, a scalar.

        Args:
            trajectories: level -> trajectory of the student's feature.
            teacher_features: the teacher's whole pyramid, of the student's shapes at these levels.
        """
        if max(trajectories) >= len(teacher_features):
            raise ValueError(f"every level of the flow must be a level of the teacher's pyramid, which has "
                             f'{len(teacher_features)}, but got {list(trajectories)}; set `levels` of the flow')
        losses = [
            self.level_loss(trajectory, teacher_features[level]) for level, trajectory in trajectories.items()
        ]
        return self.loss_weight * sum(losses)

    def level_loss(self, trajectory: Trajectory, target: Tensor) -> Tensor:
        """The unweighted loss of one level; `target` is (B, C, H, W)."""
        distances = [self.distance(endpoint, target) for endpoint in trajectory.endpoints]
        return sum(distances) / len(distances)

    def distance(self, feature: Tensor, target: Tensor) -> Tensor:
        """The metric between two features (B, C, H, W), in float32 at least."""
        if feature.shape != target.shape:
            raise ValueError(f'a level must have the same shape in student and teacher, but got (B, C, H, W) = '
                             f'{tuple(feature.shape)} and {tuple(target.shape)}; choose a teacher whose neck has the '
                             'same channels and strides, or set `levels` of the flow')
        with torch.autocast(feature.device.type, enabled=False):
            dtype = torch.promote_types(feature.dtype, torch.float32)
            return self.metric(feature.to(dtype), target.to(dtype))
