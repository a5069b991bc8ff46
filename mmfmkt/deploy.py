"""From a distillation run to the detector that is deployed."""
import copy
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import CheckpointLoader, save_checkpoint
from mmrazor.registry import MODELS

from mmfmkt.models import FMKTDistill
from mmfmkt.models.build import build_detector


def is_a(node: object, cls: type) -> bool:
    """Is `node` the config of a `cls` or of a subclass, with or without its scope?"""
    registered = MODELS.get(node['type']) if isinstance(node, dict) and isinstance(node.get('type'), str) else None
    return isinstance(registered, type) and issubclass(registered, cls)


def is_distillation(cfg: Config) -> bool:
    return is_a(cfg.model, FMKTDistill)


def has_flow(node: object) -> bool:
    """Does a part of this project stand anywhere in the config of a detector?"""
    if isinstance(node, dict):
        return str(node.get('type')).split('.')[-1] in ('FlowNeck', 'FlowHead') or any(map(has_flow, node.values()))
    return isinstance(node, (list, tuple)) and any(map(has_flow, node))


def deployed_config(cfg: Config) -> Config:
    """The config of the detector that distillation leaves: no teacher, no distiller.

    For FM-KT^Θ it needs nothing of this project. For FM-KT it needs `custom_imports`, because the flow is a part of the
    detector. A config without distillation is returned as a copy.
    """
    cfg = copy.deepcopy(cfg)
    if not is_distillation(cfg):
        return cfg
    cfg.model = cfg.model.architecture
    for leftover in ('flow', 'logit_flow', 'distiller'):
        cfg.pop(leftover, None)
    if not has_flow(cfg.model) and 'custom_imports' in cfg:
        imports = cfg.custom_imports.imports
        others = [module for module in ([imports] if isinstance(imports, str) else imports) if module != 'mmfmkt']
        if others:
            cfg.custom_imports.imports = others
        else:
            cfg.pop('custom_imports')
    return cfg


def student_weights(checkpoint: str) -> tuple[dict, dict]:
    """The student's weights in a checkpoint, without the distiller's, and the checkpoint's `meta`."""
    loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
    weights = loaded.get('state_dict', loaded)
    return {key: value for key, value in weights.items() if not key.startswith('distiller.')}, loaded.get('meta', {})


def export_student(cfg: Config, checkpoint: str, out: str) -> tuple[Path, Path]:
    """Write the deployed detector as `out` (.pth) and its config beside it (.py).

    Args:
        cfg: config of the distillation run.
        checkpoint: a checkpoint of that run.
        out: the file to write; the optimizer and the distiller stay behind.

    Returns:
        The paths of the config and of the checkpoint.

    Raises:
        FileNotFoundError: if the checkpoint is not there.
        RuntimeError: if the checkpoint's weights are not exactly those of the detector.
    """
    weights_file = Path(out).with_suffix('.pth')
    config_file = weights_file.with_suffix('.py')
    deployed = deployed_config(cfg)
    weights, meta = student_weights(checkpoint)
    build_detector(deployed.model).load_state_dict(weights, strict=True)
    meta = {key: value for key, value in meta.items() if key in ('dataset_meta', 'epoch', 'iter', 'seed')}
    weights_file.parent.mkdir(parents=True, exist_ok=True)
    save_checkpoint(dict(meta=meta, state_dict=weights), str(weights_file))
    deployed.dump(config_file)
    return config_file, weights_file
