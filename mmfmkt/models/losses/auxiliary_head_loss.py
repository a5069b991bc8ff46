"""A second head that is trained along, and that the student's own head follows."""

from __future__ import annotations

import copy
import weakref
from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModel
from mmrazor.registry import MODELS
from torch import Tensor, nn

from mmfmkt.detectors.alike_heads import why_not_alike, why_not_by_itself
from mmfmkt.flow import Trajectory
from mmfmkt.models.flows.pyramid_flow import replace_levels

from .head_rows import rows_of, why_no_boxes
from .loss_dicts import total
from .predictions import Predictions


@MODELS.register_module()
class AuxiliaryHeadLoss(nn.Module):
    r"""The task of an auxiliary head on the output of the flow, and the distance of the student's head from it.

    .. math:: L = w_T L_{task}(h(Z_0)) + w_F D(h_S(X^S), \mathrm{stopgrad}(h(Z_0)))

    The auxiliary head `h` is a head like the student's, `h_S`, and starts with the weights of the teacher's. `D` is the
    quality focal loss of the scores and the distance of the boxes, as in
    :class:`~mmfmkt.models.losses.predictions.Predictions`. So the flow has a task of its own, its output is a teacher
    in the student's reach, and the student's head learns what that predicts besides the hard labels. Without a flow
    beside the student, `Z_0` is what the student's head reads. The auxiliary head belongs to the distiller and is not
    deployed.

    The authors' FM-KT^Θ for classification is of this kind (FM-KT-DeiT, `second_kd`).

    Args:
        task_weight: w_T, at least 0.
        follow_weight: w_F, at least 0.
        beta: exponent of the quality focal loss, at least 0.

    Raises:
        ValueError: if a number is negative.
    """

    def __init__(self, task_weight: float = 1.0, follow_weight: float = 1.0, beta: float = 1.0) -> None:
        super().__init__()
        if min(task_weight, follow_weight, beta) < 0:
            raise ValueError(
                '`task_weight`, `follow_weight` and `beta` of AuxiliaryHeadLoss must be at least 0, but got '
                f'{task_weight}, {follow_weight} and {beta}'
            )
        self.task_weight, self.follow_weight, self.beta = task_weight, follow_weight, beta
        self.start: dict[str, Tensor] = {}

    @staticmethod
    def misfit(student: BaseModel, teacher: BaseModel | None) -> str | None:
        """Why there can be no auxiliary head; None if there can."""
        own, other = getattr(student, 'bbox_head', None), getattr(teacher, 'bbox_head', None)
        if reason := why_no_boxes(own, 'student') or why_not_by_itself(student):
            return reason
        reason = why_not_alike(own, other)
        return reason and f"it starts as the teacher's head, which must be like the student's, but {reason}"

    keeps_teacher = False  # its head is copied

    def prepare_from_teacher(self, teacher: BaseModel) -> None:
        self.start = teacher.bbox_head.state_dict()

    def prepare_from_student(self, student: BaseModel) -> None:
        self.student_head = weakref.ref(student.bbox_head)  # no child
        self.head = copy.deepcopy(student.bbox_head)
        self.head.load_state_dict(self.start)
        self.start = {}

    def forward(
        self,
        pyramid: Sequence[Tensor],
        predictions: Sequence[Any],
        data_samples: list,
        trajectories: dict[int, Trajectory] | None = None,
    ) -> Tensor:
        """The loss, a scalar.

        Args:
            pyramid: what the student's head reads.
            predictions: what it returns, scores and boxes of all levels first.
            data_samples: those of the batch.
            trajectories: level -> trajectory of a flow beside the student, whose outputs the auxiliary head reads.
        """
        read = replace_levels(pyramid, trajectories or {})
        outputs: list[Sequence[Any]] = []
        hook = self.head.register_forward_hook(lambda head, args, output: outputs.append(output))
        try:
            losses = self.head.loss(read, data_samples)
        finally:
            hook.remove()
        sizes = [level.shape[2:] for level in predictions[0]]
        student_head = self.student_head()
        assert student_head is not None  # it is freed with the student
        own, other = rows_of(student_head, predictions), rows_of(self.head, outputs[0])
        target = (other[0].detach(), other[1].detach())
        distance = Predictions(self.head, sizes, len(pyramid[0])).distance(own, target, (1.0, 1.0), self.beta)
        return self.task_weight * total(losses) + self.follow_weight * distance
