"""From a distillation run to the detector that is deployed."""
import copy
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import CheckpointLoader, save_checkpoint

from mmfmkt.models import FlowNeck, FMKTDistill
from mmfmkt.models.detector import build_detector


def names(node: object, cls: type) -> bool:
    """Is `node` the config of a `cls`, with or without its scope?"""
    return isinstance(node, dict) and str(node.get('type')).split('.')[-1] == cls.__name__


def is_distillation(cfg: Config) -> bool:
    return names(cfg.model, FMKTDistill)


def deployed_config(cfg: Config) -> Config:
    """The config of the detector that distillation leaves: no teacher, no distiller.

    For FM-KT^Θ it needs nothing of this project. For FM-KT it needs `custom_imports`, because the flow is a part of the
    detector. A config without distillation is returned as a copy.
    """
    cfg = copy.deepcopy(cfg)
    if not is_distillation(cfg):
        return cfg
    cfg.model = cfg.model.architecture
    for leftover in ('flow', 'distiller'):
        cfg.pop(leftover, None)
    if not names(cfg.model.get('neck'), FlowNeck) and 'custom_imports' in cfg:
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
