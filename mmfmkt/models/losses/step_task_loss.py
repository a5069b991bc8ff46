"""The task loss on the logits of every step."""

from collections.abc import Sequence
from typing import cast

import torch
from mmdet.models.dense_heads import (
    AutoAssignHead,
    CenterNetUpdateHead,
    DDODHead,
    FreeAnchorRetinaHead,
    FSAFHead,
    PAAHead,
    PISARetinaHead,
    RTMDetHead,
)
from mmengine.model import BaseModel
from mmrazor.registry import MODELS
from torch import Tensor, nn
from torch.func import functional_call

from mmfmkt.flow import Trajectory
from mmfmkt.models.flows.student_classifier import StudentClassifier
from mmfmkt.models.metrics.row_metrics import location_rows
from mmfmkt.models.recorders.recorders import Call

from .fmkt_loss import by_level

# what a head does with its `loss_cls` that has no place here; subclasses do the same
OTHER_CALLS = {
    AutoAssignHead: 'does not call it',
    FreeAnchorRetinaHead: 'does not call it',
    CenterNetUpdateHead: 'gives it probabilities',
    DDODHead: 'weighs what it returns, level by level',
    RTMDetHead: 'divides what it returns',
    FSAFHead: 'chooses levels by what it returns',
    PAAHead: 'calls it for each image',
    PISARetinaHead: 'gives it logits in another order',
}


@MODELS.register_module()
class StepTaskLoss(nn.Module):
    r"""The head's own classification loss, on the logits that each step of a logit flow predicts.

    .. math:: L = w \frac 1 N \sum_{i=1}^N L_{cls}(T(\hat X_i), y)

    (arXiv:2402.02012, serial training with the task loss). The labels `y`, their weights and the normalisation are
    those that the head assigned for its own logits: they are read off the calls of its `loss_cls`, and nothing is
    assigned twice. Heads that do something else than to call `loss_cls` with their logits and to return what it returns
    (PAA, FreeAnchor, DDOD and others) have to do without this loss.

    Args:
        head: name of the head in the student, 'bbox_head' or 'roi_head.bbox_head'.
        classifier: name of its classifying layer, where it is none of mmdet's usual ones.
        loss_weight: w, at least 0.

    Raises:
        ValueError: if the student has no such head, or the head no classifier, or if `loss_weight` is negative.
    """

    def __init__(self, head: str = 'bbox_head', classifier: str | None = None, loss_weight: float = 1.0) -> None:
        super().__init__()
        if loss_weight < 0:
            raise ValueError(f'`loss_weight` must be at least 0, but got {loss_weight}')
        self.transform = StudentClassifier(head, classifier)
        self.loss_weight = loss_weight

    @staticmethod
    def misfit(student: BaseModel, teacher: BaseModel) -> str | None:
        """Why the loss of the student's head cannot be taken of other logits; None if it can."""
        head = getattr(student, 'bbox_head', None)
        reason = next((does for kind, does in OTHER_CALLS.items() if isinstance(head, kind)), None)
        return reason and f'StepTaskLoss repeats the call of a `loss_cls`, but {type(head).__name__} {reason}'

    def forward(self, trajectories: dict[int, Trajectory] | Sequence[Trajectory], calls: list[Call]) -> Tensor:
        """The loss of all levels and steps, a scalar.

        Args:
            trajectories: those of all levels of the head, in their order.
            calls: the calls of the head's `loss_cls` in this iteration, one for each level or one for all of them
                (`EveryModuleCall`, source '<head>.loss_cls').

        Raises:
            ValueError: if the head does not call its `loss_cls` in this way.
        """
        if not calls:
            raise ValueError(
                'the `loss_cls` of the head must run in every iteration, but it did not; is it the loss that '
                'the recorder of `calls` listens to?'
            )
        trajectories = list(by_level(trajectories).values())
        steps = list(zip(*map(self.transform.of_endpoints, trajectories)))
        total = cast(Tensor, sum(self.task_loss(logits, calls) for logits in steps))
        return self.loss_weight * total / len(steps)

    def task_loss(self, logits: Sequence[Tensor], calls: list[Call]) -> Tensor:
        """That of one step, whose logits there are for every level."""
        num_classes = calls[0].args[0].shape[-1]
        rows = [location_rows(of_level, num_classes) for of_level in logits]
        rows = rows if len(calls) == len(rows) else [torch.cat(rows)]
        expected, found = [tuple(call.args[0].shape) for call in calls], [tuple(row.shape) for row in rows]
        if expected != found:
            raise ValueError(
                f'the `loss_cls` of the head must be called once for each level or once for all of them, with '
                f'logits of the shapes {found}, but got {expected}; leave StepTaskLoss out for this head'
            )
        return cast(Tensor, sum(repeat(call, row) for row, call in zip(rows, calls)))


def repeat(call: Call, row: Tensor) -> Tensor:
    """What a call would have returned for other logits; running counts of the loss, as GHM has, stay as they are."""
    buffers = {name: buffer.clone() for name, buffer in call.module.named_buffers()}
    return functional_call(call.module, buffers, (row, *call.args[1:]), call.kwargs)
