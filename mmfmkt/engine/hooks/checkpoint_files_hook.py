"""Keeps the folder of a run tidy."""

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmrazor.registry import HOOKS

from mmfmkt.engine.checkpoint_files import WholeFilesBackend, remove_passed, remove_unfinished


@HOOKS.register_module()
class CheckpointFilesHook(Hook):
    """Removes what a crash has left half written, and checkpoints that newer ones have replaced.

    Functions that a schedule keeps, as OneCycleLR does, stay out of a checkpoint: who reads one reads no code.
    """

    def before_train(self, runner: Runner) -> None:
        if is_main_process():
            remove_unfinished(runner.work_dir)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        WholeFilesBackend.remove_outdated()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        groups = checkpoint.get('param_schedulers') or []
        for group in groups.values() if isinstance(groups, dict) else [groups]:
            for state in group:
                for name in [name for name, value in state.items() if callable(value)]:
                    del state[name]  # the schedule that reads it has its own

    def after_train(self, runner: Runner) -> None:
        WholeFilesBackend.remove_outdated()
        if is_main_process():
            remove_passed(runner.work_dir)
