"""EarlyStoppingHook over interruptions."""

from mmengine.hooks import EarlyStoppingHook, Hook
from mmengine.runner import Runner
from mmrazor.registry import HOOKS

STATE, STOPPED = 'early_stopping', 'early_stopped'


@HOOKS.register_module()
class EarlyStoppingMemoryHook(Hook):
    """Keeps in the checkpoint for how many validations an `EarlyStoppingHook` has waited, and its best figure.

    Also that it has ended the training. A checkpoint that is saved in a validation knows of that too: `make_resumable`
    lets an `EarlyStoppingHook` come before this hook, and both come before the one that saves.
    """

    priority = 'LOW'

    def __init__(self) -> None:
        self.hooks: list[EarlyStoppingHook] = []

    def before_train(self, runner: Runner) -> None:
        self.hooks = [hook for hook in runner.hooks if isinstance(hook, EarlyStoppingHook)]
        for hook, state in zip(self.hooks, runner.message_hub.runtime_info.get(STATE, [])):
            hook.wait_count, hook.best_score = state
        if self.hooks and runner.message_hub.runtime_info.get(STOPPED):
            runner.train_loop.stop_training = True
            runner.logger.info('early stopping has ended this training')

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        self.remember(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        self.remember(runner)

    def remember(self, runner: Runner) -> None:
        if self.hooks:
            state = [(hook.wait_count, float(hook.best_score)) for hook in self.hooks]
            runner.message_hub.update_info(STATE, state)
            runner.message_hub.update_info(STOPPED, runner.train_loop.stop_training)
