"""The flow of a whole feature pyramid."""
from typing import Sequence

import torch
from mmengine.model import BaseModule
from mmrazor.registry import MODELS
from torch import Tensor, nn

from mmfmkt.flow import Trajectory, transport


class FlowTransform(BaseModule):
    """Carries chosen levels of a student's pyramid towards the teacher's, each with a meta-encoder of its own.

    Args:
        meta_encoder: config of the velocity network; every level builds one.
        levels: which levels of the pyramid to transport, counted from 0 (the finest).
        num_steps: N, the number of steps, at least 1. An attribute: it may be set to another value at inference.

    Raises:
        ValueError: if `levels` is empty, negative or has duplicates, or if `num_steps` is less than 1.
    """

    def __init__(self, meta_encoder: dict, levels: Sequence[int], num_steps: int = 4) -> None:
        if not levels or min(levels) < 0 or len(set(levels)) < len(levels):
            raise ValueError('`levels` must list different levels of the pyramid, counted from 0 (the finest), '
                             f'but got {list(levels)}; for the first four say levels=(0, 1, 2, 3)')
        super().__init__()
        self.levels = tuple(levels)
        self.num_steps = num_steps
        self.meta_encoders = nn.ModuleList(MODELS.build(meta_encoder) for _ in levels)

    @property
    def num_steps(self) -> int:
        return self._num_steps

    @num_steps.setter
    def num_steps(self, value: int) -> None:
        if not isinstance(value, int) or value < 1:
            raise ValueError(f'`num_steps` must be an integer of at least 1, but got {value!r}')
        self._num_steps = value

    def forward(self, pyramid: Sequence[Tensor]) -> dict[int, Trajectory]:
        """Transport the chosen levels of a pyramid of L features (B, C, H_l, W_l): level -> trajectory."""
        if max(self.levels) >= len(pyramid):
            raise ValueError(f'`levels` must be levels of the pyramid, which has {len(pyramid)} (0 to '
                             f'{len(pyramid) - 1}), but got {list(self.levels)}')
        return {
            level: transport(keep_gradient_layout(pyramid[level]), meta_encoder, self.num_steps)
            for level, meta_encoder in zip(self.levels, self.meta_encoders)
        }


def keep_gradient_layout(feature: Tensor) -> Tensor:
    """The same feature; what flows back through it comes in the memory layout of a dense (B, C, H, W) map.

    Metrics permute axes, and their gradients come back permuted. The student's backward pass would then sum in another
    order, so that it would round otherwise than the plain student's even at distillation weight 0.
    """
    if not feature.requires_grad:
        return feature
    nhwc = feature.is_contiguous(memory_format=torch.channels_last) and not feature.is_contiguous()
    layout = torch.channels_last if nhwc else torch.contiguous_format
    source = feature.view_as(feature)
    source.register_hook(lambda gradient: gradient.contiguous(memory_format=layout))
    return source
