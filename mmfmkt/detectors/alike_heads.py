"""Can one dense head have the weights of another, and mean the same by what it predicts?"""

from __future__ import annotations

from typing import Any

from mmdet.models import SingleStageDetector
from mmengine.model import BaseModel
from torch import Tensor, nn

from .comparable_heads import name_of

# what heads of MMDetection predict boxes relative to, and how
MEANING = (
    'prior_generator',
    'bbox_coder',
    'norm_on_bbox',
    'exp_on_reg',
    'bbox_norm_type',
    'transform_method',
    'use_grid_points',
    'center_init',
    'point_base_scale',
)

SAID_TWICE = ('octave_base_scale', 'scales_per_octave')  # by the scales of anchors


def why_not_alike(own: nn.Module | None, other: nn.Module | None) -> str | None:
    """Why two heads differ in their type, in a weight, or in the meaning of a box; None if they are alike."""
    if own is None or other is None or type(own) is not type(other):
        return f'one is a {name_of(own)}, the other {name_of(other)}'
    shapes, others = ({key: tuple(value.shape) for key, value in head.state_dict().items()} for head in (own, other))
    for key in [*shapes, *others]:
        if shapes.get(key) != others.get(key):
            return f'{key} of one is {shapes.get(key)}, of the other {others.get(key)}'
    for name in MEANING:
        mine, its = (plain(getattr(head, name, None)) for head in (own, other))
        if mine != its:
            return f'`{name}` of one is {mine}, of the other {its}'
    return None


def plain(setting: Any) -> Any:
    """A setting, or the type and the settings of a part that is no module, which are equal if they mean the same."""
    if isinstance(setting, (list, tuple)):
        return [plain(each) for each in setting]
    if isinstance(setting, Tensor):
        return [round(number, 4) for number in setting.double().flatten().tolist()]
    if hasattr(setting, '__dict__'):
        settings = {name: plain(value) for name, value in vars(setting).items() if name not in SAID_TWICE}
        return type(setting).__name__, settings
    return setting


def why_not_by_itself(detector: BaseModel) -> str | None:
    """Why a second dense head cannot be trained on features and labels alone; None if it can.

    RPN sets all labels to 0, LAD gives its head what another one has assigned, and CondInst's head predicts a part of
    masks.
    """
    head = getattr(detector, 'bbox_head', None)
    if type(detector).loss is not SingleStageDetector.loss:
        return f'{name_of(detector)} trains its {name_of(head)} in a `loss` of its own, not by features and labels'
    return f'its {name_of(head)} predicts a part of masks' if hasattr(head, 'loss_mask') else None
