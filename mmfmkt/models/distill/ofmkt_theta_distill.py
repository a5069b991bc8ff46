"""OFM-KT^Θ: no teacher, and a flow that is thrown away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.model import BaseModel
from mmrazor.models.utils import add_prefix
from mmrazor.registry import MODELS
from torch import Tensor, nn

from mmfmkt.detectors.comparable_heads import heads_of
from mmfmkt.flow import Trajectory
from mmfmkt.models.flows.pyramid_flow import replace_levels
from mmfmkt.models.losses.loss_dicts import scaled

from .fmkt_distill import FMKTDistill


@MODELS.register_module()
class OFMKTThetaDistill(FMKTDistill):
    """Trains a student with its own losses twice, on its own features and on those that a flow makes of them.

    Without a teacher only the task can tell the flow where to go. In OFM-KT the heads read the transported features.
    Here the deployed student has no flow, so the heads have to read its own features; they read the transported ones as
    well, and these losses, logged as `flow.*`, train the flow. The student's features follow it (`OFMKTThetaLoss`).

    The second pass of the heads is the price of training; the deployed detector is the plain student.

    Args:
        architecture: config of the student detector, or the detector.
        distiller: config of a `ConfigurableDistiller` with a `FlowConnector` called `flow`.
        task_weight: weight of the losses on the transported features, above 0.

    Raises:
        ValueError: if `task_weight` is not above 0, if the distiller has no connector `flow`, and as
            :class:`FMKTDistill`.
    """

    def __init__(
        self, architecture: dict | BaseModel, distiller: dict, task_weight: float = 1.0, **kwargs: Any
    ) -> None:
        super().__init__(architecture, distiller, **kwargs)
        if task_weight <= 0:
            raise ValueError(f'`task_weight` must be above 0, but got {task_weight}; nothing else trains the flow')
        if 'flow' not in self.distiller.connectors:
            raise ValueError(
                f'the distiller of OFM-KT^Θ must have a connector `flow`, but got {list(self.distiller.connectors)}'
            )
        self.task_weight = task_weight
        self.distiller.connectors['flow'].register_forward_hook(self.keep_transported)

    def keep_transported(
        self, connector: nn.Module, args: tuple[Sequence[Tensor]], output: dict[int, Trajectory]
    ) -> None:
        self.transported = replace_levels(*args, output)

    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
        """The losses of :class:`FMKTDistill`, and `flow.*`."""
        losses = super().loss(inputs, data_samples)
        if not self.distilling:
            return losses
        of_flow = head_losses(self.architecture, self.transported, data_samples)
        del self.transported
        return {**losses, **add_prefix(scaled(of_flow, self.task_weight), 'flow')}


def head_losses(detector: BaseModel, pyramid: tuple[Tensor, ...], data_samples: list) -> dict[str, Tensor]:
    """What `detector.loss` returns if its backbone and neck make `pyramid` of the images.

    mmdet's detectors all begin their `loss` with `extract_feat`, and have no public method that begins after it.
    Running statistics in the heads stay those of what the deployed heads read.
    """
    buffers = [buffer for name in heads_of(detector) for buffer in detector.get_submodule(name).buffers()]
    before = [buffer.clone() for buffer in buffers]
    detector.extract_feat = lambda inputs: pyramid
    try:
        return detector.loss(None, data_samples)
    finally:
        del detector.extract_feat  # the method of the class is seen again
        for buffer, value in zip(buffers, before):
            buffer.data.copy_(value)  # autograd, which has saved it and reads it no more, does not see `data` change
