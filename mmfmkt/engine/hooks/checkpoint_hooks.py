"""Checkpoints of a distillation that stock MMDetection reads: the distiller's weights stand beside the student's.

Two hooks, because other hooks (EMA) must find things as MMEngine knows them: they are changed after these at saving,
and changed back before these at loading.
"""

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmrazor.registry import HOOKS

from mmfmkt.common.processes import unwrapped
from mmfmkt.deploy.detector import DISTILLER
from mmfmkt.models import FlowNeck
from mmfmkt.models.flows.pyramid_flow import FLOW_LEVELS
from mmfmkt.pairing.short_form import FLOW_SETTINGS, flow_settings


@HOOKS.register_module()
class SplitDistillerHook(Hook):
    """Moves the distiller's weights from the `state_dict` of a checkpoint to a key `distiller`.

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


@HOOKS.register_module()
class JoinDistillerHook(Hook):
    """Undoes :class:`SplitDistillerHook` when a distillation is resumed."""

    priority = 'VERY_HIGH'

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        checkpoint.get('state_dict', checkpoint).update(checkpoint.pop('distiller', {}))
