"""Checkpoints that stock MMDetection reads: the distiller's weights stand beside the student's, not among them.

Two hooks, because other hooks (EMA) must find the weights together: they are split after these at saving, and joined
before these at loading.
"""
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmrazor.registry import HOOKS

from mmfmkt.deploy import DISTILLER


@HOOKS.register_module()
class SplitDistillerHook(Hook):
    """Moves the distiller's weights from the `state_dict` of a checkpoint to a key `distiller` of their own."""
    priority = 'VERY_LOW'

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        weights = checkpoint['state_dict']
        checkpoint['distiller'] = {key: weights.pop(key) for key in list(weights) if key.startswith(DISTILLER)}


@HOOKS.register_module()
class JoinDistillerHook(Hook):
    """Undoes :class:`SplitDistillerHook` when a distillation is resumed."""
    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint.get('state_dict', checkpoint).update(checkpoint.pop('distiller', {}))
