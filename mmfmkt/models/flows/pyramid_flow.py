"""The flow of a whole feature pyramid."""

import functools
import random
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.model import BaseModule, ModuleDict
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from mmfmkt.common.building import build_part, build_settings
from mmfmkt.common.memory_layout import channels_last, layout_of
from mmfmkt.common.precision import autocast, check_precision, chosen_dtype
from mmfmkt.flow import Euler, NoiseSchedule, RectifiedFlow, Solver, Trajectory, transport
from mmfmkt.flow.solvers import Velocity
from mmfmkt.models.meta_encoders import MetaEncoder

from . import flow_parts  # noqa: F401 (registers schedules and solvers)

FLOW_LEVELS = 'flow_levels'  # what a checkpoint names in its `meta`: the levels of the flow in the detector's neck


@dataclass(frozen=True)
class EncoderSettings:
    """How the meta-encoders of a flow are run.

    Args:
        shared: one meta-encoder for all levels instead of one for each.
        precision: what the meta-encoders compute in: 'auto' is bfloat16 where the device computes it, or the precision
            of the training where that is mixed; 'float32', 'bfloat16' and 'float16' are what they say; None, the
            default, is that of the training. The state, to which their velocities are added, stays in that of the
            feature, or gets that of the velocities where it is higher: 'float32' in mixed precision.
        with_cp: keep nothing of the meta-encoders for the backward pass but what goes into each step, and compute the
            rest again: memory that hardly grows with N, for another forward pass of the flow.

    Raises:
        ValueError: if `precision` is none of these.
    """

    shared: bool = False
    precision: str | None = None
    with_cp: bool = False

    def __post_init__(self) -> None:
        check_precision(self.precision, 'precision')


class PyramidFlow(BaseModule):
    """Carries chosen levels of a student's pyramid towards the teacher's.

    Args:
        meta_encoder: config of the velocity network; every level builds one. A list has one for each level, for
            pyramids whose levels differ in channels.
        levels: which levels of the pyramid to transport, counted from 0 (the finest).
        num_steps: N in training, at least 1; of a list, one is drawn for every iteration.
        inference_steps: N at inference; `num_steps` by default, or the largest of its list.
        schedule: config of the noise schedule, a rectified flow by default.
        solver: config of the solver, Euler by default.
        encoders: the settings of :class:`EncoderSettings`, each by its name.

    Attributes:
        random: what numbers of steps are drawn from. It is seeded when the flow is built, by PyTorch's seed.

    Raises:
        ValueError: if `levels` is empty, negative or has duplicates, if a number of steps is less than 1 or there is
            none, if a config is not that of a meta-encoder, schedule or solver, or if there are not as many
            meta-encoders as levels.
    """

    def __init__(
        self,
        meta_encoder: dict | list[dict],
        levels: Sequence[int],
        num_steps: int | Sequence[int] = 4,
        inference_steps: int | None = None,
        schedule: dict | NoiseSchedule | None = None,
        solver: dict | Solver | None = None,
        **encoders: Any,
    ) -> None:
        super().__init__()
        settings = build_settings(EncoderSettings, encoders, 'a flow')
        self.precision, self.with_cp = settings.precision, settings.with_cp
        self.random = random.Random(torch.initial_seed())
        self.levels = check_levels(levels)
        self.num_steps = num_steps
        self.inference_steps = max(self.num_steps) if inference_steps is None else inference_steps
        self.schedule = build_part(RectifiedFlow() if schedule is None else schedule, NoiseSchedule, 'schedule')
        if not isinstance(self.schedule, Hashable):
            raise ValueError(f'`schedule` must be hashable, as a dataclass(frozen=True) is, but got {self.schedule!r}')
        self.solver = build_part(Euler() if solver is None else solver, Solver, 'solver')
        configs = for_each(['shared'] if settings.shared else list(map(str, self.levels)), meta_encoder)
        self.meta_encoders = ModuleDict(  # by level, so that weights cannot be loaded into the flow of another level
            {level: build_part(config, MetaEncoder, 'meta_encoder') for level, config in configs.items()}
        )

    @property
    def num_steps(self) -> tuple[int, ...]:
        """The numbers of steps that an iteration of the training may take."""
        return self._num_steps

    @num_steps.setter
    def num_steps(self, value: int | Sequence[int]) -> None:
        choices = value if isinstance(value, (list, tuple)) else (value,)
        if not choices:
            raise ValueError(f'`num_steps` must be an integer or a list of some, but got {value!r}, an empty list')
        self._num_steps = tuple(check_num_steps(choice, 'num_steps') for choice in choices)

    @property
    def inference_steps(self) -> int:
        """The number of steps in eval mode."""
        return self._inference_steps

    @inference_steps.setter
    def inference_steps(self, value: int) -> None:
        self._inference_steps = check_num_steps(value, 'inference_steps')

    def draw_num_steps(self) -> int:
        if not self.training:
            return self.inference_steps
        if len(self.num_steps) == 1:
            return self.num_steps[0]
        return self.random.choice(self.num_steps)

    def forward(self, pyramid: Sequence[Tensor]) -> dict[int, Trajectory]:
        """Transport the chosen levels of a pyramid of L features (B, C, H_l, W_l) or (B, C): level -> trajectory.

        Raises:
            ValueError: if the pyramid lacks a level, or has other channels than the meta-encoder.
        """
        if max(self.levels) >= len(pyramid):
            raise ValueError(
                f'`levels` must be levels of the pyramid, which has {len(pyramid)} (0 to '
                f'{len(pyramid) - 1}), but got {list(self.levels)}'
            )
        num_steps, device = self.draw_num_steps(), pyramid[self.levels[0]].device
        with autocast(chosen_dtype(self.precision, device), device):
            return {
                level: transport(
                    channels_last(keep_gradient_layout(pyramid[level])),
                    self.velocity(level),
                    num_steps,
                    self.schedule,
                    self.solver,
                )
                for level in self.levels
            }

    def velocity(self, level: int) -> Velocity:
        """The meta-encoder of a level."""
        encoder = self.meta_encoders['shared' if 'shared' in self.meta_encoders else str(level)]
        if self.with_cp and torch.is_grad_enabled():
            return functools.partial(checkpoint, encoder, use_reentrant=False)
        return encoder


def replace_levels(pyramid: Sequence[Tensor], trajectories: dict[int, Trajectory]) -> tuple[Tensor, ...]:
    """The pyramid with the outputs of the flow at its levels, in the pyramid's memory layouts.

    Other levels are as they are.
    """
    return tuple(
        trajectories[level].output.contiguous(memory_format=layout_of(feature)) if level in trajectories else feature
        for level, feature in enumerate(pyramid)
    )


def find_flows(model: nn.Module) -> list[PyramidFlow]:
    """All flows in a model."""
    return [module for module in model.modules() if isinstance(module, PyramidFlow)]


def for_each(keys: list[str], meta_encoder: dict | list[dict]) -> dict[str, dict]:
    """The config of every meta-encoder, by the name of its level."""
    configs = meta_encoder if isinstance(meta_encoder, (list, tuple)) else [meta_encoder] * len(keys)
    if len(configs) != len(keys):
        raise ValueError(
            f'`meta_encoder` must be one config or a list with one for each of the {len(keys)} levels (one '
            f'alone if it is shared), but got {len(configs)}'
        )
    return dict(zip(keys, configs))


def check_levels(levels: Sequence[int]) -> tuple[int, ...]:
    listed = list(levels) if isinstance(levels, (list, tuple, range)) else []
    if not listed or not all(isinstance(level, int) and level >= 0 for level in listed) or len({*listed}) < len(listed):
        raise ValueError(
            '`levels` must list different levels of the pyramid, counted from 0 (the finest), '
            f'but got {levels!r}; for the first four say levels=(0, 1, 2, 3)'
        )
    return tuple(listed)


def check_num_steps(value: int, option: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError(f'`{option}` must be an integer of at least 1, but got {value!r}')
    return value


def keep_gradient_layout(feature: Tensor) -> Tensor:
    """The same feature; what flows back through it comes in the memory layout of a dense tensor.

    Metrics permute axes, and their gradients come back permuted. The student's backward pass would then sum in another
    order, so that it would round otherwise than the plain student's even at distillation weight 0.
    """
    if not feature.requires_grad:
        return feature
    layout, source = layout_of(feature), feature.view_as(feature)
    source.register_hook(lambda gradient: gradient.contiguous(memory_format=layout))
    return source
