"""How far the predictions of a dense head are from those that they shall follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from mmdet.models.dense_heads import FCOSHead
from mmdet.models.dense_heads.anchor_head import AnchorHead
from mmdet.structures.bbox import bbox_overlaps
from torch import Tensor, nn

from mmfmkt.detectors.comparable_heads import name_of, why_not_dense
from mmfmkt.models.metrics.binary_kd import confidence
from mmfmkt.models.metrics.row_metrics import location_rows

Rows = tuple[Tensor, Tensor]  # logits (n, K) and boxes (n, 4), or distributions of their sides, of n anchors or points


@dataclass(frozen=True)
class Predictions:
    """Where the predictions of a head stand: its anchors or points on levels of these sizes (H_l, W_l)."""

    head: AnchorHead | FCOSHead
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
        if boxes.shape[1] > 4:
            own, other = (rows.reshape(len(rows), 4, -1).log_softmax(2) for rows in (boxes, target))
            return F.kl_div(own, other, reduction='none', log_target=True).sum(2).mean(1)
        priors = self.head.prior_generator.grid_priors(self.sizes, dtype=boxes.dtype, device=boxes.device)
        priors = torch.cat([prior.repeat(self.num_images, 1) for prior in priors])
        own, other = (at_least_a_point(self.head.bbox_coder.decode(priors, rows)) for rows in (boxes, target))
        return 1 - bbox_overlaps(own, other, mode='giou', is_aligned=True)


def rows_of(head: AnchorHead | FCOSHead, outputs: Sequence[Sequence[Tensor]]) -> Rows:
    """What a head returns, its scores and boxes (B, A length, H_l, W_l) of every level first, as rows in float32."""
    lengths = head.cls_out_channels, box_length(head)
    logits, boxes = (to_rows(levels, length) for levels, length in zip(outputs, lengths))
    return logits, boxes


def to_rows(levels: Sequence[Tensor], length: int) -> Tensor:
    """Predictions (B, A length, H_l, W_l) of all levels as rows (n, length) in float32."""
    return torch.cat([location_rows(level.float(), length) for level in levels])


def why_no_boxes(head: nn.Module | None, side: str) -> str | None:
    """Why the predictions of a head cannot be compared with others, or None if they can."""
    reason = why_not_dense(head, side)
    if not reason and not isinstance(head, (AnchorHead, FCOSHead)):
        reason = f'the boxes of a {name_of(head)} are not known here'
    return reason


def at_least_a_point(boxes: Tensor) -> Tensor:
    """Boxes (n, 4) whose sides are 0.01 pixels at least.

    GIoU is not bounded for negative sides, which some heads predict.
    """
    return torch.cat([boxes[:, :2], torch.maximum(boxes[:, 2:], boxes[:, :2] + 0.01)], 1)


def quality_focal(logits: Tensor, scores: Tensor, beta: float) -> Tensor:
    """The quality focal loss (arXiv:2006.04388, equation 5) of logits for scores in [0, 1], without reduction."""
    crossed = F.binary_cross_entropy_with_logits(logits, scores, reduction='none')
    return (scores - logits.sigmoid()).abs().pow(beta) * crossed


def box_length(head: AnchorHead | FCOSHead) -> int:
    """How many numbers a box is predicted by: 4, or a distribution for each side."""
    return 4 * (head.reg_max + 1) if hasattr(head, 'integral') else 4
