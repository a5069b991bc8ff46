"""MMEngine's loops of training, which go on anywhere as if they had never been interrupted."""

import logging
from typing import Any

from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from mmrazor.registry import LOOPS
from torch import nn

from .param_schedulers import stretch_schedules
from .seeded_batches import seeded_loader

VALIDATED, LENGTH = 'epoch_validated', 'epoch_length'


@LOOPS.register_module()
class ResumableEpochLoop(EpochBasedTrainLoop):
    """Goes on in the middle of an epoch, with the batches that are left of it, and makes up for a validation.

    Args:
        runner: the runner.
        dataloader: config of the data loader.
        kwargs: those of MMEngine's `EpochBasedTrainLoop`.
    """

    _iter: int  # MMEngine's, as `iter`, which cannot be set

    def __init__(self, runner: Runner, dataloader: dict, **kwargs: Any) -> None:
        super().__init__(runner, seeded_loader(dataloader, runner.seed), **kwargs)

    def run(self) -> nn.Module:
        """Train; a checkpoint is written before the validation of its epoch, which may be due."""
        self.fit_epoch_length()
        self.runner.call_hook('before_train')
        if self._iter == self._epoch * len(self.dataloader):
            self.validate()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self.validate()
        self.runner.call_hook('after_train')
        return self.runner.model

    def fit_epoch_length(self) -> None:
        """Let a run that goes on with another batch size or other processes be where it was in its epochs."""
        info, length = self.runner.message_hub.runtime_info, len(self.dataloader)
        fits = self._epoch * length <= self._iter <= (self._epoch + 1) * length  # of a checkpoint that does not say it
        before = info.get(LENGTH) or (length if fits else self._iter / self._epoch)
        if before != length:
            resumed, self._iter = self._iter, round(self._iter / before * length)
            print_log(
                f'an epoch has {length} iterations and had {before:g} before: iteration {resumed} is now {self._iter}',
                'current',
                logging.WARNING,
            )
            stretch_schedules(self.runner, length / before)
            # the runner has counted gradients that accumulate from the iteration that it read
            self.runner.optim_wrapper.initialize_count_status(self.runner.model, self._iter, self.max_iters)
        self.runner.message_hub.update_info(LENGTH, length)

    def validate(self) -> None:
        """Validate, if this epoch ends with a validation that was not done."""
        self._decide_current_val_interval()
        due = self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
        info = self.runner.message_hub.runtime_info
        if self.runner.val_loop is None or not due or self._epoch < max(self.val_begin, 1, info.get(VALIDATED, 0) + 1):
            return
        self.runner.message_hub.update_info(VALIDATED, self._epoch)  # before: a best checkpoint is saved in it
        self.runner.val_loop.run()

    def run_epoch(self) -> None:
        """Train the batches of this epoch that have not been."""
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        first = self._iter - self._epoch * len(self.dataloader)
        self.dataloader.batch_sampler.start_at(self._epoch, first)
        for index, batch in enumerate(self.dataloader, first):
            self.run_iter(index, batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1


@LOOPS.register_module()
class ResumableIterLoop(IterBasedTrainLoop):
    """Goes on at any iteration. MMEngine reads the batches up to there once more, to come to the next.

    Args:
        runner: the runner.
        dataloader: config of the data loader.
        kwargs: those of MMEngine's `IterBasedTrainLoop`.
    """

    def __init__(self, runner: Runner, dataloader: dict, **kwargs: Any) -> None:
        super().__init__(runner, seeded_loader(dataloader, runner.seed), **kwargs)
