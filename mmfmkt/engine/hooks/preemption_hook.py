"""SIGTERM: save, and stop."""
import signal
import sys
from pathlib import Path
from types import FrameType

import torch
from mmengine.dist import all_reduce, get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmrazor.registry import HOOKS

from ..checkpoint_files import INTERRUPTED, name_newest
from ..loading.workers import protect_workers


@HOOKS.register_module()
class PreemptionHook(Hook):
    """Writes a checkpoint when the run is told to end, as schedulers do before they kill it, and ends it with success.

    With gradient accumulation it waits for the end of one, whose gradients would be lost.

    Args:
        interval: iterations between two times that several processes ask one another whether one of them was told; one
            process knows at once.

    Raises:
        ValueError: if `interval` is less than 1.
    """
    priority = 'VERY_LOW'  # after the checkpoint hook, and after what changes the state in an iteration

    def __init__(self, interval: int = 10) -> None:
        if interval < 1:
            raise ValueError(f'`interval` of PreemptionHook must be at least 1, but got {interval}')
        self.interval, self.told, self.stopping = interval, False, False

    def before_train(self, runner: Runner) -> None:
        self.previous = signal.signal(signal.SIGTERM, self.remember)
        if runner.val_loop is not None:
            protect_workers(runner.val_loop.dataloader)

    def remember(self, number: int, frame: FrameType | None) -> None:
        self.told = True

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        self.stopping = self.stopping or self.anyone_told(runner.iter + 1)
        if not self.stopping or not runner.optim_wrapper.should_update():
            return
        runner.save_checkpoint(runner.work_dir, INTERRUPTED, by_epoch=False, backend_args=dict(backend='whole_files'))
        if is_main_process():
            name_newest(Path(runner.work_dir) / INTERRUPTED)
        runner.logger.info(f'stopped by SIGTERM after iteration {runner.iter + 1}; --resume goes on from there')
        sys.exit(0)

    def anyone_told(self, iteration: int) -> bool:
        if get_world_size() == 1:
            return self.told
        if iteration % self.interval:
            return False
        told = torch.tensor(float(self.told), device='cuda' if torch.cuda.is_available() else 'cpu')
        all_reduce(told)
        return told.item() > 0

    def after_train(self, runner: Runner) -> None:
        signal.signal(signal.SIGTERM, self.previous)
