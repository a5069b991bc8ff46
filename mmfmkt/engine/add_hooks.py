"""The hooks that every distillation gets."""
from mmengine.config import Config

from mmfmkt.models.config_files import type_name


def add_distillation_hooks(cfg: Config) -> None:
    """Add them to the hooks of the config; one that is there already stays as it is.

    They do not stand in the configs because bases of an MMEngine config may not share a key, and many detectors have
    custom hooks of their own.
    """
    interval = ((cfg.get('default_hooks') or {}).get('logger') or {}).get('interval', 50)
    hooks = list(cfg.get('custom_hooks') or [])
    present = {type_name(hook) for hook in hooks}
    ours = [
        dict(type='mmrazor.SplitDistillerHook'),
        dict(type='mmrazor.JoinDistillerHook'),
        dict(type='mmrazor.EvaluateTeacherHook'),
        dict(type='mmrazor.FlowLogHook', interval=interval),
    ]
    cfg.custom_hooks = hooks + [hook for hook in ours if type_name(hook) not in present]
