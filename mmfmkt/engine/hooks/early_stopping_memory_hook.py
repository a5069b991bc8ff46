"""EarlyStoppingHook over interruptions."""

from mmengine.hooks import EarlyStoppingHook, Hook
from mmengine.runner import Runner
from mmrazor.registry import HOOKS

STATE = 'early_stopping'


@HOOKS.register_module()
class EarlyStoppingMemoryHook(Hook):
    """Keeps in the checkpoint for how many validations an `EarlyStoppingHook` has waited, and its best figure."""

    def before_train(self, runner: Runner) -> None:
        self.hooks = [hook for hook in runner.hooks if isinstance(hook, EarlyStoppingHook)]
        for hook, state in zip(self.hooks, runner.message_hub.runtime_info.get(STATE, [])):
            hook.wait_count, hook.best_score = state

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        if self.hooks:
            state = [(hook.wait_count, float(hook.best_score)) for hook in self.hooks]
            runner.message_hub.update_info(STATE, state)
