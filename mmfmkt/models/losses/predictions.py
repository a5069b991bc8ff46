"""How far the predictions of a dense head are from those that they shall follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from mmfmkt.models.metrics.binary_kd import confidence, quality_focal
from mmfmkt.models.metrics.box_metrics import IoUMetric, LDMetric, has_distributions

from .head_rows import BoxHead, Rows, in_pixels


@dataclass(frozen=True)
class Predictions:
    """Where the predictions of a head stand: its anchors or points on levels of these sizes (H_l, W_l)."""

    head: BoxHead
    sizes: Sequence[Sequence[int]]
    num_images: int

    def distance(self, rows: Rows, target: Rows, weights: tuple[float, float], beta: float) -> Tensor:
        r"""A scalar. With `s` and `t` the logits, `b` the boxes, and `w_r = max_k sigmoid(t_rk)`,

        .. math::
            \frac{w_c \sum_{r,k} |\sigma(t_{rk}) - \sigma(s_{rk})|^\beta \mathrm{BCE}(s_{rk}, \sigma(t_{rk}))
            + w_b \sum_r w_r D(b^s_r, b^t_r)}{\max(1, \sum_{r: w_r > 0.05} w_r)}

        Args:
            rows: what is predicted.
            target: what it shall follow, without a gradient.
            weights: w_c and w_b.
            beta: at least 0.
        """
        (logits, boxes), (of_target, target_boxes) = rows, target
        scores = of_target.sigmoid()
        weight = scores.amax(1)
        cls = quality_focal(logits, scores, beta).sum()
        box = (weight * self.box_distance(boxes, target_boxes)).sum()
        return (weights[0] * cls + weights[1] * box) / confidence(weight)

    def box_distance(self, boxes: Tensor, target: Tensor) -> Tensor:
        """`D` of all anchors or points, (n, ): 1 - GIoU, or the mean over the sides of KL(target || boxes)."""
        if has_distributions(self.head):
            return LDMetric(temperature=1.0)(boxes, target)
        own, other = (in_pixels(self.head, self.sizes, self.num_images, rows) for rows in (boxes, target))
        return IoUMetric()(own, other)
