"""Curves of the flow's insides, beside those of the losses."""

import torch
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmrazor.registry import HOOKS

from mmfmkt.common.processes import unwrapped
from mmfmkt.models import FMKTLoss


@HOOKS.register_module()
class FlowLogHook(Hook):
    """Logs for every level the loss of each step, the error of the output, the ambiguity of the steps, and `carried`.

    They go to the backends of the visualizer (`vis_data/scalars.json`, TensorBoard, ...) as
    `flow/<loss>/level<l>/<name>`, see :func:`~mmfmkt.models.losses.diagnostics.diagnose`; the terminal would not hold
    them. Nothing is computed in the iterations between. Teachers that take turns each have `interval` iterations of
    their own from one entry to the next.

    Args:
        interval: iterations between two entries, at least 1.

    Raises:
        ValueError: if `interval` is less than 1.
    """

    priority = 'LOW'

    def __init__(self, interval: int = 50) -> None:
        if interval < 1:
            raise ValueError(f'`interval` of FlowLogHook must be at least 1, but got {interval}')
        self.interval = interval

    def before_train(self, runner: Runner) -> None:
        model = unwrapped(runner.model)
        losses, self.turns = model.distiller.distill_losses, model.turns
        self.losses = {name: loss for name, loss in losses.items() if isinstance(loss, FMKTLoss)}

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        for loss in self.losses.values():
            loss.diagnosing = is_main_process() and (runner.iter // self.turns + 1) % self.interval == 0

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        scalars = {
            f'flow/{name}/level{level}/{key}': value
            for name, loss in self.losses.items()
            if loss.diagnosing
            for level, values in loss.diagnostics.items()
            for key, value in values.items()
        }
        if scalars:
            values = torch.stack([value.float() for value in scalars.values()]).tolist()  # waits for a GPU once
            runner.visualizer.add_scalars(dict(zip(scalars, values)), step=runner.iter + 1)
        for loss in self.losses.values():
            loss.diagnostics = {}
