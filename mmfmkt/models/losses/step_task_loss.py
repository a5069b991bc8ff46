"""The task loss on the logits of every step."""

from collections.abc import Sequence
from typing import cast

import torch
from mmrazor.registry import MODELS
from torch import Tensor, nn

from mmfmkt.flow import Trajectory
from mmfmkt.models.flows.student_classifier import StudentClassifier
from mmfmkt.models.metrics.row_metrics import location_rows
from mmfmkt.models.recorders.recorders import Call

from .fmkt_loss import by_level


@MODELS.register_module()
class StepTaskLoss(nn.Module):
    r"""The head's own classification loss, on the logits that each step of a logit flow predicts.

    .. math:: L = w \frac 1 N \sum_{i=1}^N L_{cls}(T(\hat X_i), y)

    (arXiv:2402.02012, serial training with the task loss). The labels `y`, their weights and the normalisation are
    those that the head assigned for its own logits: they are read off the calls of its `loss_cls`, and nothing is
    assigned twice. Heads that call `loss_cls` for each image (PAA), not at all (FreeAnchor), or divide what it returns
    (RTMDet) have to do without this loss.

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
        return sum(call.module(row, *call.args[1:], **call.kwargs) for row, call in zip(rows, calls))
