"""OFM-KT, online: the losses without a teacher."""

from collections.abc import Sequence

import torch
from mmrazor.registry import MODELS
from torch import Tensor

from mmfmkt.flow import Trajectory

from .fmkt_loss import FMKTLoss, by_level
from .fmkt_theta_loss import FMKTThetaLoss
from .level_metric import LevelMetric


class OnlineTarget:
    """Turns a loss of FM-KT into self-distillation: the target of every step is the flow's own output."""

    def __init__(self, *args, **kwargs) -> None:
        super().__init__(*args, **kwargs)
        if self.keep_pairs < 1 or self.teacher_levels is not None:
            raise ValueError(
                '`keep_pairs` must be 1 and `teacher_levels` None without a teacher, but got '
                f'{self.keep_pairs} and {self.teacher_levels}'
            )

    def forward(self, trajectories: dict[int, Trajectory] | Sequence[Trajectory]) -> Tensor:
        """The loss of all levels, a scalar; see :class:`FMKTLoss`."""
        trajectories = by_level(trajectories)
        return self.compare(trajectories, dict.fromkeys(trajectories))

    def level_loss(self, level: int, of_student: Trajectory, target: None, level_metric: LevelMetric) -> Tensor:
        with torch.no_grad():  # the steps learn from their mean, which must not come to meet the worst of them
            target = level_metric.transform(of_student.output.detach())
        return super().level_loss(level, of_student, target, level_metric)


@MODELS.register_module()
class OFMKTLoss(OnlineTarget, FMKTLoss):
    r"""FM-KT's loss with the flow's own output as the target.

    .. math:: L = \sum_l w_l \frac 1 N \sum_{i=1}^N \mathrm{metric}(T(\hat X_{l,i}), \mathrm{stopgrad}(T(Z_{l,0})))

    (arXiv:2402.02012, OFM-KT). `Z_0` is the mean of the endpoints, so every step learns from the ensemble of all. What
    the ensemble should be is told by the task loss alone, so something must carry that to the flow: heads that read
    `Z_0` (`FlowNeck`, `FlowHead`), a `StepTaskLoss`, or the algorithm `OFMKTThetaDistill`.

    Takes the arguments of :class:`FMKTLoss` but `keep_pairs` and `teacher_levels`.
    """


@MODELS.register_module()
class OFMKTThetaLoss(OnlineTarget, FMKTThetaLoss):
    r"""OFM-KT's loss and a pull of the student's own feature towards the output of the flow.

    .. math:: L_\Theta = L + w_S \sum_l w_l \, \mathrm{metric}(T(X^S_l), \mathrm{stopgrad}(T(Z_{l,0})))

    Takes the arguments of :class:`FMKTThetaLoss` but `keep_pairs` and `teacher_levels`.
    """
