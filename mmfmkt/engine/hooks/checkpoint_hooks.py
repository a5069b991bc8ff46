"""Checkpoints that stock MMDetection reads.

The distiller's weights stand beside the student's, not among them. What MMEngine logs stands in plain lists and not in
objects of its own, which PyTorch does not load since version 2.6 (`weights_only`).

Two hooks, because other hooks (EMA) must find things as MMEngine knows them: they are changed after these at saving,
and changed back before these at loading.
"""

from typing import Any

from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner
from mmrazor.registry import HOOKS

from mmfmkt.common.processes import unwrapped
from mmfmkt.deploy.detector import DISTILLER
from mmfmkt.models import FlowNeck
from mmfmkt.models.flows.pyramid_flow import FLOW_LEVELS
from mmfmkt.pairing.short_form import FLOW_SETTINGS, flow_settings


@HOOKS.register_module()
class SplitDistillerHook(Hook):
    """Moves the distiller's weights from the `state_dict` of a checkpoint to a key `distiller`; unpacks the logs.

    `meta` gets the levels of the flow that the detector's neck has, and the settings of flows that are deployed.
    """

    priority = 'VERY_LOW'

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        neck = getattr(unwrapped(runner.model).architecture, 'neck', None)
        if isinstance(neck, FlowNeck):
            checkpoint['meta'][FLOW_LEVELS] = list(neck.flow.levels)
        if settings := flow_settings(runner.cfg.get('model') or {}):
            checkpoint['meta'][FLOW_SETTINGS] = settings
        weights = checkpoint['state_dict']
        checkpoint['distiller'] = {key: weights.pop(key) for key in list(weights) if key.startswith(DISTILLER)}
        checkpoint['message_hub'] = plain(checkpoint['message_hub'])


@HOOKS.register_module()
class JoinDistillerHook(Hook):
    """Undoes :class:`SplitDistillerHook` when a distillation is resumed."""

    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint.get('state_dict', checkpoint).update(checkpoint.pop('distiller', {}))
        scalars = checkpoint.get('message_hub', {}).get('log_scalars', {})
        scalars.update({name: HistoryBuffer(**value) for name, value in scalars.items() if isinstance(value, dict)})


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
