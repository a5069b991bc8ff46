"""What the graph computes to its end: boxes, decoded and after NMS."""

from __future__ import annotations

from collections.abc import Sequence

from mmcv.ops import RoIAlign
from mmdet.models import BaseDetector, SingleStageDetector, StandardRoIHead, TwoStageDetector
from mmdet.models.dense_heads import GFLHead, RPNHead, YOLOXHead
from mmdet.models.dense_heads.base_dense_head import BaseDenseHead
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from torch import Tensor, nn

from mmfmkt.detectors.comparable_heads import name_of, why_not_dense

from .candidates import NMS_SETTINGS, suppress
from .decoding import dense_candidates, yolox_candidates
from .two_stage import two_stage_candidates

KNOWN = 'RetinaNet, FCOS, ATSS, GFL, RTMDet, YOLOX, Faster R-CNN and others that decode as these do'
MOST = 100  # boxes of YOLOX, which has no limit of its own; COCO counts no more
NAMES = ('boxes', 'scores', 'labels')


def box_outputs(detector: BaseDetector, images: Tensor) -> dict[str, Tensor]:
    """Images (B, 3, H, W) -> what a detector finds in them, the best first, as its `predict` without rescaling.

    `boxes` (B, K, 4) are x1, y1, x2, y2 in pixels of the images, `scores` (B, K) in [0, 1], `labels` (B, K) int64. K is
    `max_per_img` of the detector; what is not there has a score of 0 and the label -1.

    Raises:
        ValueError: if the boxes of the detector cannot be a part of a graph.
    """
    if reason := why_no_boxes(detector):
        raise ValueError(
            f'a detector whose boxes are exported must be one of {KNOWN}, but {reason}; without boxes the graph ends '
            'at the outputs of its dense head'
        )
    if isinstance(detector, TwoStageDetector):
        cfg, candidates = detector.test_cfg.rcnn, two_stage_candidates(detector, images)
    else:
        head, cfg = detector.bbox_head, detector.bbox_head.test_cfg
        outputs = head(detector.extract_feat(images))
        if isinstance(head, YOLOXHead):
            candidates = yolox_candidates(head, outputs, cfg)
        else:
            candidates = dense_candidates(head, outputs, cfg, images)
    found = suppress(candidates, cfg.nms, cfg.get('max_per_img', MOST))
    there = found.scores > 0
    return dict(
        boxes=found.boxes * there[..., None], scores=found.scores, labels=found.labels * there + there.long() - 1
    )


def why_no_boxes(detector: BaseDetector) -> str | None:
    """Why the boxes of a detector cannot be a part of a graph; None if they can."""
    if isinstance(detector, TwoStageDetector):
        reason = why_no_rois(detector.roi_head)
        head, settings = detector.rpn_head, [detector.test_cfg.rpn, detector.test_cfg.rcnn]
        limits = [('nms_pre', 'max_per_img'), ('max_per_img',)]
        if not reason and not isinstance(head, RPNHead):
            reason = f'its proposals are those of a {name_of(head)}'
    elif isinstance(detector, SingleStageDetector):
        reason, head, settings = None, detector.bbox_head, [detector.bbox_head.test_cfg or {}]
        limits = [() if isinstance(head, YOLOXHead) else ('nms_pre', 'max_per_img')]
    else:
        return f'it is a {name_of(detector)}'
    return reason or why_not_decoded(head) or next(filter(None, map(why_no_nms, settings, limits)), None)


def why_no_rois(roi_head: nn.Module) -> str | None:
    extractor = getattr(roi_head, 'bbox_roi_extractor', None)
    if not isinstance(roi_head, StandardRoIHead):
        return f'its RoI head is a {name_of(roi_head)}'
    if not isinstance(extractor, SingleRoIExtractor):
        return f'its RoIs are read by a {name_of(extractor)}'
    if any(
        not isinstance(layer, RoIAlign) or layer.use_torchvision or layer.pool_mode != 'avg'
        for layer in extractor.roi_layers
    ):
        return f'its RoIs are read by a {name_of(extractor)} of {name_of(extractor.roi_layers[0])}'
    return None


def why_not_decoded(head: nn.Module) -> str | None:
    if isinstance(head, YOLOXHead):
        return None
    if reason := why_not_dense(head, 'detector'):
        return reason
    own = [getattr(type(head), name) for name in ('predict_by_feat', '_predict_by_feat_single')]
    known = [BaseDenseHead._predict_by_feat_single, GFLHead._predict_by_feat_single, RPNHead._predict_by_feat_single]
    if own[0] is not BaseDenseHead.predict_by_feat or own[1] not in known:
        return f'a {name_of(head)} decodes its boxes in a way of its own'
    return None


def why_no_nms(cfg: dict, limits: Sequence[str]) -> str | None:
    """What is against an NMS in a graph, whose shapes are the `limits`; None if nothing is."""
    nms = cfg.get('nms') or {}
    if nms.get('type') != 'nms' or not set(nms) <= NMS_SETTINGS:
        return f'its NMS is {dict(nms) or "missing"}'
    for name in limits:
        if (cfg.get(name) or 0) <= 0:
            return f'its `test_cfg` has {name}={cfg.get(name)}, and a graph needs a number above 0'
    return None
