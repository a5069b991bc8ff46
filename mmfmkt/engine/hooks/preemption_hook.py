"""SIGTERM: save, and stop."""

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.optim import OptimWrapperDict
from mmengine.runner import Runner
from mmrazor.registry import HOOKS

from mmfmkt.common.processes import any_process
from mmfmkt.engine.checkpoint_files import INTERRUPTED, name_newest
from mmfmkt.engine.loading.workers import obey_parent, protect_workers

CHILDREN = SimpleNamespace(obey=False)  # do processes that begin now look out for the signal of their parent?


def mask(how: int) -> None:
    signal.pthread_sigmask(how, {signal.SIGTERM})


def before_fork() -> None:
    """A child begins with the signal blocked, so that none is lost before it looks out for it."""
    if CHILDREN.obey:
        mask(signal.SIG_BLOCK)


def after_fork() -> None:
    if CHILDREN.obey:
        mask(signal.SIG_UNBLOCK)


def begin() -> None:
    """In a child that has just begun."""
    if CHILDREN.obey:
        obey_parent()


if hasattr(os, 'register_at_fork'):  # Windows, where a deployed detector may run, has none
    os.register_at_fork(before=before_fork, after_in_parent=after_fork, after_in_child=begin)


@HOOKS.register_module()
class PreemptionHook(Hook):
    """Writes a checkpoint when the run is told to end, as schedulers do before they kill it, and ends it with success.

    Several processes ask one another in every iteration. With gradient accumulation they wait for the end of one, whose
    gradients would be lost. Before the first iteration the signal ends a run as ever.

    Metrics may evaluate in processes of their own, a pool, which their parent ends by the same signal. Those that begin
    during an evaluation obey their parent alone, as workers of a data loader do.
    """

    priority = 'VERY_LOW'  # after the checkpoint hook, and after what changes the state in an iteration

    def __init__(self) -> None:
        self.told, self.stopping = False, False
        self.previous: Any = None  # handler of the signal

    def before_train(self, runner: Runner) -> None:
        if runner.val_loop is not None:  # those of the training are protected by their loop
            protect_workers(runner.val_loop.dataloader)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        # Python handles signals in the main thread alone
        if self.previous is None and threading.current_thread() is threading.main_thread():
            self.previous = signal.signal(signal.SIGTERM, self.remember)
            # workers inherit this, and begin without a moment in which the signal would end them
            self.block()

    def block(self, blocked: bool = True) -> None:
        """Let the signal wait, for children too; or let children that begin now be ended by their parent."""
        if self.previous is not None:
            mask(signal.SIG_BLOCK if blocked else signal.SIG_UNBLOCK)
            CHILDREN.obey = not blocked

    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        self.block()

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: Any = None
    ) -> None:
        self.block(False)  # metrics are computed after the last one

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        self.block()

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
            name_newest(Path(runner.work_dir), os.path.join(runner.work_dir, INTERRUPTED))
        runner.logger.info(f'stopped by SIGTERM after iteration {runner.iter + 1}; --resume goes on from there')
        self.give_back()
        sys.exit(0)

    def after_train(self, runner: Runner) -> None:
        self.give_back()

    def give_back(self) -> None:
        """Leave the signal to who had it before; also after a training that has failed."""
        if self.previous is not None:
            signal.sigtimedwait({signal.SIGTERM}, 0)  # it has done its work
            mask(signal.SIG_UNBLOCK)
            signal.signal(signal.SIGTERM, self.previous)
            self.previous, CHILDREN.obey = None, False
