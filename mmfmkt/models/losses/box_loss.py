"""Distillation of boxes: those of the student's head follow those of the teacher's."""

from __future__ import annotations

import weakref
from collections.abc import Sequence

from mmengine.model import BaseModel
from mmrazor.registry import MODELS
from torch import Tensor, nn

from mmfmkt.common.building import build_part
from mmfmkt.detectors.comparable_heads import why_logits_differ
from mmfmkt.models.metrics.binary_kd import confidence
from mmfmkt.models.metrics.box_metrics import BoxMetric, IoUMetric

from .head_rows import in_pixels, rows_of, why_no_boxes

WEIGHTINGS = ('teacher', 'difference')


@MODELS.register_module()
class BoxLoss(nn.Module):
    r"""Any metric between the boxes of two dense heads, at every anchor or point.

    .. math:: L = w \frac{\sum_r w_r D(b^s_r, b^t_r)}{\max(1, \sum_{r: p_r > 0.05} p_r)}, \quad
        p_r = \max_k \sigma(t_{rk})

    Almost all anchors are background, where boxes mean nothing. So `w_r` is, by `weighting`,

    - 'teacher': `p_r`, the teacher's best score, as in CrossKD (arXiv:2306.11369). With `LDMetric` this is localization
      distillation (arXiv:2102.12252). That takes the anchors which the student is assigned, weighted by the student's
      scores, and, with a weight of their own, those around them that overlap with an object (the valuable localization
      region). The teacher's score is high on the former, and fades over the latter, and needs no ground truth.
    - 'difference': `max_k |sigmoid(t_rk) - sigmoid(s_rk)|`, without a gradient: where the two do not agree on the
      class. With `IoUMetric` this is the localization of BCKD (arXiv:2308.14286), which has w = 4, and divides by the
      number of positives of the student.

    Args:
        metric: config of a :class:`~mmfmkt.models.metrics.box_metrics.BoxMetric`, `IoUMetric` by default.
        weighting: 'teacher' or 'difference'.
        loss_weight: w, at least 0.

    Raises:
        ValueError: if `metric` is no metric of boxes, if `weighting` is none of the two, or if `loss_weight` is
            negative.
    """

    def __init__(self, metric: dict | None = None, weighting: str = 'teacher', loss_weight: float = 1.0) -> None:
        super().__init__()
        if weighting not in WEIGHTINGS:
            raise ValueError(f"`weighting` of BoxLoss must be 'teacher' or 'difference', but got {weighting!r}")
        if not isinstance(loss_weight, (int, float)) or loss_weight < 0:
            raise ValueError(f'`loss_weight` of BoxLoss must be a number of at least 0, but got {loss_weight!r}')
        self.metric = IoUMetric() if metric is None else build_part(metric, BoxMetric, 'metric')
        self.weighting, self.loss_weight = weighting, loss_weight

    @staticmethod
    def misfit(student: BaseModel, teacher: BaseModel) -> str | None:
        """Why the boxes of the two do not belong together one by one; None if they do."""
        sides = dict(student=student, teacher=teacher)
        reasons = (why_no_boxes(getattr(detector, 'bbox_head', None), side) for side, detector in sides.items())
        return next(filter(None, reasons), None) or why_logits_differ(student, teacher)

    def prepare_from_student(self, student: BaseModel) -> None:
        self.student_head = weakref.ref(student.bbox_head)  # neither a child, nor kept when it is freed

    def prepare_from_teacher(self, teacher: BaseModel) -> None:
        self.teacher_head = weakref.ref(teacher.bbox_head)

    def forward(
        self, student_outputs: Sequence[Sequence[Tensor]], teacher_outputs: Sequence[Sequence[Tensor]]
    ) -> Tensor:
        """What the two heads return, scores (B, A K, H_l, W_l) of every level first and boxes second -> scalar."""
        student, teacher = self.student_head(), self.teacher_head()
        assert student is not None and teacher is not None  # they are freed with the detectors
        logits, boxes = rows_of(student, student_outputs, sized_as=teacher_outputs[0])
        of_teacher, target = (rows.detach() for rows in rows_of(teacher, teacher_outputs))
        if not self.metric.of_distributions:
            sizes, num_images = [level.shape[2:] for level in teacher_outputs[0]], len(teacher_outputs[0][0])
            boxes, target = (
                in_pixels(head, sizes, num_images, rows) for head, rows in ((student, boxes), (teacher, target))
            )
        scores = of_teacher.sigmoid()
        best = weight = scores.amax(1)
        if self.weighting == 'difference':
            weight = (scores - logits.detach().sigmoid()).abs().amax(1)
        return self.loss_weight * (weight * self.metric(boxes, target)).sum() / confidence(best)
