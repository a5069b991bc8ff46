"""What a dense head predicts, as rows: one for every anchor or point, of logits and of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from mmdet.models.dense_heads import FCOSHead, RepPointsHead, VFNetHead
from mmdet.models.dense_heads.anchor_head import AnchorHead
from torch import Tensor, nn

from mmfmkt.detectors.comparable_heads import name_of, strides_of, why_not_dense
from mmfmkt.models.metrics.box_metrics import has_distributions
from mmfmkt.models.metrics.row_metrics import location_rows

from .level_metric import fit_size

KNOWN = (AnchorHead, FCOSHead, RepPointsHead)
BoxHead: TypeAlias = AnchorHead | FCOSHead | RepPointsHead
Rows = tuple[Tensor, Tensor]  # logits (n, K) and boxes (n, 4), or what they are made of (n, L), of n anchors or points


def why_no_boxes(head: nn.Module | None, side: str) -> str | None:
    """Why the predictions of a head cannot be compared with others, or None if they can."""
    reason = why_not_dense(head, side)
    if not reason and not isinstance(head, KNOWN):
        reason = f'the boxes of a {name_of(head)} are not known here'
    return reason


def box_length(head: BoxHead) -> int:
    """How many numbers a box is predicted by: 4, a distribution for each side, or points, which RepPoints trains."""
    if has_distributions(head):
        return 4 * (head.reg_max + 1)
    return 2 * head.num_points if isinstance(head, RepPointsHead) and head.training else 4


def rows_of(head: BoxHead, outputs: Sequence[Sequence[Tensor]], sized_as: Sequence[Tensor] | None = None) -> Rows:
    """What a head returns, maps (B, A length, H_l, W_l) of every level, as rows in float32 at least.

    RepPoints makes boxes of its points with a weight of its own, so that its points become boxes here.

    Args:
        head: the head, in the mode, training or not, in which it returned them.
        outputs: what it returns: its scores first, then boxes, and those of a second stage.
        sized_as: maps of the levels of another head, whose height and width these get if they differ by rounding.
    """
    refined = head.training and isinstance(head, (VFNetHead, RepPointsHead))
    logits, boxes = (
        [fit_size(level, other) for level, other in zip(levels, sized_as or levels)]
        for levels in (outputs[0], outputs[2 if refined else 1])
    )
    rows = to_rows(boxes, box_length(head))
    if refined and isinstance(head, RepPointsHead):
        rows = head.points2bbox(rows)
    return to_rows(logits, head.cls_out_channels), rows


def to_rows(levels: Sequence[Tensor], length: int) -> Tensor:
    """Predictions (B, A length, H_l, W_l) of all levels as rows (n, length) in float32 at least."""
    return torch.cat(
        [location_rows(level.to(torch.promote_types(level.dtype, torch.float32)), length) for level in levels]
    )


def in_pixels(head: BoxHead, sizes: Sequence[Sequence[int]], num_images: int, rows: Tensor) -> Tensor:
    """Boxes (n, 4) as x1, y1, x2, y2 in pixels, of what a head predicts them by.

    Args:
        head: the head, in the mode in which it predicted them.
        sizes: height and width of every level.
        num_images: B.
        rows: :func:`rows_of` the head, (n, L).
    """
    of_levels = head.prior_generator.grid_priors(sizes, dtype=rows.dtype, device=rows.device)
    priors = torch.cat([level.repeat(num_images, 1) for level in of_levels])
    strides = torch.cat(
        [rows.new_full((num_images * len(level), 1), stride) for level, stride in zip(of_levels, strides_of(head))]
    )
    if isinstance(head, RepPointsHead):
        return priors.repeat(1, 2) + strides * rows
    if has_distributions(head):
        with torch.autocast(rows.device.type, enabled=False):  # a mean of distances is no matter for half precision
            return head.bbox_coder.decode(head.anchor_center(priors), strides * head.integral(rows))
    if head.training and getattr(head, 'norm_on_bbox', False):  # FCOS multiplies by it at inference only
        rows = strides * rows
    return head.bbox_coder.decode(priors, rows)
