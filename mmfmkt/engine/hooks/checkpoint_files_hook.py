"""Keeps the folder of a run tidy, and its checkpoints plain."""

from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner
from mmrazor.registry import HOOKS

from mmfmkt.engine.checkpoint_files import WholeFilesBackend, checkpoint_folders, remove_passed, remove_unfinished


@HOOKS.register_module()
class CheckpointFilesHook(Hook):
    """Removes what a crash has left half written, and checkpoints that newer ones have replaced.

    Functions that a schedule keeps, as OneCycleLR does, stay out of a checkpoint: who reads one reads no code. What
    MMEngine logs stands there in plain lists and not in objects of its own, which PyTorch does not load since version
    2.6 (`weights_only`), unless it is told to as in this project.

    One that is saved in a validation says where the run is. MMEngine's FlexibleRunner takes every one for that of an
    epoch or iteration which is not counted yet.
    """

    validating = False

    def before_train(self, runner: Runner) -> None:
        if is_main_process():
            remove_unfinished(*checkpoint_folders(runner.work_dir, runner.cfg))

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        WholeFilesBackend.remove_outdated()

    def before_val(self, runner: Runner) -> None:
        self.validating = True

    def after_val(self, runner: Runner) -> None:
        self.validating = False

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if self.validating:
            checkpoint['meta'].update(epoch=runner.epoch, iter=runner.iter)
        groups = checkpoint.get('param_schedulers') or []
        for group in groups.values() if isinstance(groups, dict) else [groups]:
            for state in group:
                for name in [name for name, value in state.items() if callable(value)]:
                    del state[name]  # the schedule that reads it has its own
        checkpoint['message_hub'] = plain(checkpoint['message_hub'])

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        scalars = checkpoint.get('message_hub', {}).get('log_scalars', {})
        scalars.update({name: HistoryBuffer(**value) for name, value in scalars.items() if isinstance(value, dict)})

    def after_train(self, runner: Runner) -> None:
        WholeFilesBackend.remove_outdated()
        if is_main_process():
            remove_passed(*checkpoint_folders(runner.work_dir, runner.cfg))


def plain(value: Any) -> Any:
    """The same with lists and numbers of Python in the place of MMEngine's and NumPy's."""
    if isinstance(value, HistoryBuffer):
        log, count = value.data
        return dict(log_history=log.tolist(), count_history=count.tolist())
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(plain, value))
    return value.tolist() if type(value).__module__ == 'numpy' else value
