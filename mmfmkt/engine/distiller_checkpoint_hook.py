"""Checkpoints that stock MMDetection reads."""
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmrazor.registry import HOOKS

PREFIX = 'distiller.'


@HOOKS.register_module()
class DistillerCheckpointHook(Hook):
    """Keeps what distillation adds out of the `state_dict` of a checkpoint, under the key `distiller` of its own.

    `state_dict` then holds the student alone, under the keys of the stock detector. Resuming puts both together again.
    """

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        weights = checkpoint['state_dict']
        checkpoint['distiller'] = {key: weights.pop(key) for key in list(weights) if key.startswith(PREFIX)}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint['state_dict'].update(checkpoint.pop('distiller', {}))
