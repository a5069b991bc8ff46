"""SIGTERM: save, and stop."""

import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner
from mmrazor.registry import HOOKS

from mmfmkt.common.processes import any_process
from mmfmkt.engine.checkpoint_files import INTERRUPTED, name_newest
from mmfmkt.engine.loading.workers import protect_workers


@HOOKS.register_module()
class PreemptionHook(Hook):
    """Writes a checkpoint when the run is told to end, as schedulers do before they kill it, and ends it with success.

    Several processes ask one another in every iteration. With gradient accumulation they wait for the end of one, whose
    gradients would be lost. Before the first iteration the signal ends a run as ever.
    """

    priority = 'VERY_LOW'  # after the checkpoint hook, and after what changes the state in an iteration

    def __init__(self) -> None:
        self.told, self.stopping = False, False
        self.previous: Any = None  # handler of the signal

    def before_run(self, runner: Runner) -> None:
        if runner.val_loop is not None:  # those of the training are protected by their loop
            protect_workers(runner.val_loop.dataloader)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        # Python handles signals in the main thread alone
        if self.previous is None and threading.current_thread() is threading.main_thread():
            self.previous = signal.signal(signal.SIGTERM, self.remember)
            # workers inherit this, and begin without a moment in which the signal would end them
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def remember(self, number: int, frame: FrameType | None) -> None:
        """The signal has come to another thread, which does not block it."""
        self.told = True

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        self.stopping = self.stopping or any_process(self.told or signal.SIGTERM in signal.sigpending())
        wrapper = runner.optim_wrapper
        if not self.stopping or not isinstance(wrapper, OptimWrapperDict) and not wrapper.should_update():
            return
        runner.save_checkpoint(runner.work_dir, INTERRUPTED, by_epoch=False, backend_args=dict(backend='whole_files'))
        if is_main_process():
            name_newest(Path(runner.work_dir) / INTERRUPTED)
        runner.logger.info(f'stopped by SIGTERM after iteration {runner.iter + 1}; --resume goes on from there')
        self.give_back()
        sys.exit(0)

    def after_train(self, runner: Runner) -> None:
        self.give_back()

    def give_back(self) -> None:
        """Leave the signal to who had it before; also after a training that has failed."""
        if self.previous is not None:
            signal.sigtimedwait({signal.SIGTERM}, 0)  # it has done its work
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            signal.signal(signal.SIGTERM, self.previous)
            self.previous = None
