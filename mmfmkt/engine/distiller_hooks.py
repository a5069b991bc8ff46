"""Checkpoints that stock MMDetection reads: the distiller's weights stand beside the student's, not among them.

Two hooks, because other hooks (EMA) must find the weights together: they are split after these at saving, and joined
before these at loading.
"""
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmrazor.registry import HOOKS

PREFIX = 'distiller.'


@HOOKS.register_module()
class SplitDistillerHook(Hook):
    """Moves the distiller's weights from the `state_dict` of a checkpoint to a key `distiller` of their own."""
    priority = 'VERY_LOW'

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        weights = checkpoint['state_dict']
        checkpoint['distiller'] = {key: weights.pop(key) for key in list(weights) if key.startswith(PREFIX)}


@HOOKS.register_module()
class JoinDistillerHook(Hook):
    """Undoes :class:`SplitDistillerHook` when a distillation is resumed."""
    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint.get('state_dict', checkpoint).update(checkpoint.pop('distiller', {}))


def add_distiller_hooks(cfg: Config) -> None:
    """Add both hooks to those of the config, which has them already if a run of this project wrote it."""
    hooks = list(cfg.get('custom_hooks') or [])
    present = {str(hook['type']).split('.')[-1] for hook in hooks}
    hooks += [dict(type=f'mmrazor.{cls.__name__}') for cls in (SplitDistillerHook, JoinDistillerHook)
              if cls.__name__ not in present]
    cfg.custom_hooks = hooks
