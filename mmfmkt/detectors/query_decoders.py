"""Can the decoders of two detectors decode the same queries?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmdet.models.detectors import DeformableDETR
from mmdet.models.layers import DinoTransformerDecoder
from mmdet.models.layers.transformer import DeformableDetrTransformerDecoder
from mmengine.model import BaseModel

from .comparable_heads import name_of

DECODERS = (DeformableDetrTransformerDecoder, DinoTransformerDecoder)  # these types, and none derived from them


def why_no_decoder(detector: BaseModel, side: str) -> str | None:
    """Why a detector cannot decode queries of another, or None if it can."""
    if not isinstance(detector, DeformableDETR) or type(detector.decoder) not in DECODERS:
        return f'the {side} is no Deformable DETR and no DINO, but a {name_of(detector)}'
    if not detector.bbox_head.loss_cls.use_sigmoid:
        return f"the scores of the {side}'s {name_of(detector.bbox_head)} are no sigmoid logits"
    return None


def why_decoders_differ(student: BaseModel, teacher: BaseModel) -> str | None:
    """Why the two cannot decode the same queries, or None if they can.

    Backbones, levels of the pyramids, and numbers of layers and of queries may differ.
    """
    reason = why_no_decoder(student, 'student') or why_no_decoder(teacher, 'teacher')
    if reason:
        return reason
    parts: tuple[tuple[str, Callable[[Any], object]], ...] = (
        ('types', lambda detector: name_of(detector.decoder)),
        ('widths', lambda detector: detector.embed_dims),
        # a head that predicts sizes from points predicts no corrections of boxes
        ('references', lambda detector: 'boxes' if detector.as_two_stage else 'points'),
        ('classes', lambda detector: detector.bbox_head.cls_out_channels),
    )
    for what, read in parts:
        own, other = read(student), read(teacher)
        if own != other:
            return f'the decoders have different {what}, {own} and {other}'
    return None
