"""From what a dense head returns to boxes, as its `predict_by_feat` makes them, in shapes that a graph can have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models.dense_heads import GFLHead, YOLOXHead
from mmdet.models.dense_heads.anchor_head import AnchorHead
from torch import Tensor

from .candidates import Candidates, best, join

Levels = Sequence[Tensor]


def rows(level: Tensor, length: int) -> Tensor:
    """A map (B, A length, H, W) as rows (B, H W A, length)."""
    return level.permute(0, 2, 3, 1).reshape(level.shape[0], -1, length)


def dense_candidates(head: AnchorHead, outputs: Sequence[Levels], cfg: dict, images: Tensor) -> Candidates:
    """What a dense head with sigmoid scores detects, before its NMS.

    Args:
        head: the head.
        outputs: what it returns: scores and boxes of every level, and a factor of the scores if it has one.
        cfg: its `test_cfg`.
        images: (B, C, H, W), for their size.
    """
    cls_scores, bbox_preds, *factors = outputs
    priors = head.prior_generator.grid_priors(
        [level.shape[2:] for level in cls_scores], dtype=cls_scores[0].dtype, device=cls_scores[0].device
    )
    found = []
    for level, (scores, preds) in enumerate(zip(cls_scores, bbox_preds)):
        factor = factors[0][level] if factors and factors[0] is not None else None
        found.append(of_level(head, scores, preds, factor, priors[level], head.prior_generator.strides[level], cfg))
    candidates = join(found)
    if head.bbox_coder.clip_border:
        candidates = candidates.within(images)
    return candidates.larger_than(cfg.get('min_bbox_size', -1))


def of_level(
    head: AnchorHead,
    cls_score: Tensor,
    bbox_pred: Tensor,
    factor: Tensor | None,
    priors: Tensor,
    stride: Any,
    cfg: dict,
) -> Candidates:
    """The best `nms_pre` pairs of a prior and a class, of those with a score above `score_thr`."""
    classes = head.cls_out_channels
    scores = rows(cls_score, classes).flatten(1).sigmoid()
    scores, places = best(scores * (scores > cfg.get('score_thr', 0)), cfg['nms_pre'])
    priors_of, labels = torch.div(places, classes, rounding_mode='floor'), places % classes
    length = bbox_pred.shape[1] // head.num_base_priors
    preds = rows(bbox_pred, length).gather(1, priors_of[..., None].expand(-1, -1, length))
    points = priors[priors_of]
    if isinstance(head, GFLHead):
        preds = head.integral(preds.flatten(0, 1)).reshape(*preds.shape[:2], 4) * stride[0]
        points = head.anchor_center(points.flatten(0, 1)).reshape(*points.shape[:2], 2)
    boxes = head.bbox_coder.decode(points.flatten(0, 1), preds.flatten(0, 1)).reshape(*points.shape[:2], 4)
    if factor is not None:
        scores = scores * rows(factor, 1)[..., 0].sigmoid().gather(1, priors_of)
    return Candidates(boxes, scores, labels)


def yolox_candidates(head: YOLOXHead, outputs: Sequence[Levels], cfg: dict) -> Candidates:
    """What the head of YOLOX detects, before its NMS: at each point its best class."""
    cls_scores, bbox_preds, objectnesses = outputs
    priors = head.prior_generator.grid_priors(
        [level.shape[2:] for level in cls_scores],
        dtype=cls_scores[0].dtype,
        device=cls_scores[0].device,
        with_stride=True,
    )
    scores, preds, certain = (
        torch.cat([rows(level, length) for level in levels], 1)
        for levels, length in ((cls_scores, head.cls_out_channels), (bbox_preds, 4), (objectnesses, 1))
    )
    best_scores, labels = scores.sigmoid().max(2)
    best_scores = best_scores * certain[..., 0].sigmoid()
    points, strides = torch.cat(priors).split(2, 1)
    centres, halves = preds[..., :2] * strides + points, preds[..., 2:].exp() * strides / 2
    boxes = torch.cat([centres - halves, centres + halves], 2)
    return Candidates(boxes, best_scores * (best_scores >= cfg['score_thr']), labels)
