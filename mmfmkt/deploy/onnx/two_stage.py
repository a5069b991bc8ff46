"""From the pyramid of a two-stage detector to boxes, in shapes that a graph can have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmdet.models import StandardRoIHead, TwoStageDetector
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torch import Tensor

from .candidates import Candidates, suppress
from .decoding import dense_candidates
from .operators import AlignRoIs


def proposals(detector: TwoStageDetector, pyramid: Sequence[Tensor], images: Tensor) -> Candidates:
    """What the RPN proposes; NMS is on each level by itself."""
    head, cfg = detector.rpn_head, detector.test_cfg.rpn
    candidates = dense_candidates(head, head(pyramid), {**cfg, 'score_thr': 0}, images)
    places = torch.ones_like(candidates.labels).cumsum(1) - 1  # each level has as many
    levels = torch.div(places, cfg.nms_pre, rounding_mode='floor')
    return suppress(candidates._replace(labels=levels), cfg.nms, cfg.max_per_img)


def two_stage_candidates(detector: TwoStageDetector, images: Tensor) -> Candidates:
    """What the box head detects in the proposals of the RPN, before its NMS."""
    pyramid = detector.extract_feat(images)
    proposed, head, cfg = proposals(detector, pyramid, images), detector.roi_head.bbox_head, detector.test_cfg.rcnn
    number = torch.ones_like(proposed.scores).cumsum(0) - 1  # of the image
    rois = torch.cat([number[..., None], proposed.boxes], 2).flatten(0, 1)
    cls_score, bbox_pred = head(extract(detector.roi_head, pyramid, rois))
    scores = cls_score.softmax(1)[:, :-1]
    classes = scores.shape[1]
    labels = torch.arange(classes, device=scores.device).expand(scores.shape)
    if head.reg_class_agnostic:
        bbox_pred = bbox_pred.repeat(1, classes)
    of_boxes = rois[:, None, 1:].expand(-1, classes, -1).reshape(-1, 4)
    boxes = head.bbox_coder.decode(of_boxes, bbox_pred.reshape(-1, 4))
    most = proposed.scores.shape[1]
    there = (proposed.scores > 0)[..., None].expand(-1, -1, classes).flatten(1)
    candidates = Candidates(
        boxes.reshape(-1, most * classes, 4), scores.reshape(-1, most * classes), labels.reshape(-1, most * classes)
    )
    return candidates.where(there).where(candidates.scores > cfg.score_thr).within(images)


def extract(roi_head: StandardRoIHead, pyramid: Sequence[Tensor], rois: Tensor) -> Tensor:
    """The features of RoIs (n, 5): of every level, of which one counts, because a graph has no empty shapes."""
    extractor: SingleRoIExtractor = roi_head.bbox_roi_extractor
    levels = pyramid[: extractor.num_inputs]
    chosen = extractor.map_roi_levels(rois, len(levels))
    features: Any = 0
    for number, (level, layer) in enumerate(zip(levels, extractor.roi_layers)):
        size, settings = layer.output_size, (layer.spatial_scale, layer.sampling_ratio, layer.aligned)
        features = features + AlignRoIs.apply(level, rois, *size, *settings) * (chosen == number)[:, None, None, None]
    return roi_head.shared_head(features) if roi_head.with_shared_head else features
