"""From a distillation run to the detector that is deployed."""
import copy
from pathlib import Path
from typing import Callable

from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config
from mmengine.runner import CheckpointLoader, save_checkpoint
from mmrazor.registry import HOOKS, MODELS, OPTIM_WRAPPERS

from mmfmkt.models import FMKTDistill
from mmfmkt.models.build import build_detector

DISTILLER = 'distiller.'  # what the keys of its weights begin with


def part_of_project(node: object) -> Callable | None:
    """The class or function of this project that `node` is the config of, with or without its scope."""
    part_type = node.get('type') if isinstance(node, dict) else None
    registries = (MODELS, DETECTORS, HOOKS, OPTIM_WRAPPERS) if isinstance(part_type, str) else ()
    found = [registry.get(part_type) for registry in registries]
    return next((part for part in found if part and part.__module__.startswith('mmfmkt.')), None)


def needs_project(node: object) -> bool:
    """Does a part of this project stand anywhere in a config?"""
    if isinstance(node, dict):
        return part_of_project(node) is not None or any(map(needs_project, node.values()))
    return isinstance(node, (list, tuple)) and any(map(needs_project, node))


def is_distillation(cfg: Config) -> bool:
    part = part_of_project(cfg.model)
    return isinstance(part, type) and issubclass(part, FMKTDistill)


def deployed_config(cfg: Config) -> Config:
    """The config of the detector that distillation leaves: no teacher, no distiller, none of its hooks.

    For the Θ forms it needs nothing of this project. For the others it needs `custom_imports`, because the flow is a part
    of the detector. A config without distillation is returned as a copy.
    """
    cfg = copy.deepcopy(cfg)
    if not is_distillation(cfg):
        return cfg
    cfg.model = cfg.model.architecture
    cfg.custom_hooks = [hook for hook in cfg.get('custom_hooks') or [] if not needs_project(hook)]
    if needs_project(cfg.get('optim_wrapper')):  # mixed precision on a CPU
        cfg.optim_wrapper.type = 'OptimWrapper'
    for key in list(cfg):
        if key == 'teacher' or key != 'model' and needs_project(cfg[key]):
            cfg.pop(key)
    if 'custom_imports' in cfg and not needs_project(cfg.model):
        drop_import(cfg)
    return cfg


def drop_import(cfg: Config) -> None:
    """Let the config import what it imports, but not this project."""
    imports = cfg.custom_imports.imports
    others = [module for module in ([imports] if isinstance(imports, str) else imports) if module != 'mmfmkt']
    if others:
        cfg.custom_imports.imports = others
    else:
        cfg.pop('custom_imports')


def student_weights(checkpoint: str) -> tuple[dict, dict]:
    """The student's weights in a checkpoint, without the distiller's, and the checkpoint's `meta`."""
    loaded = CheckpointLoader.load_checkpoint(checkpoint, map_location='cpu')
    weights = loaded.get('state_dict', loaded)
    return {key: value for key, value in weights.items() if not key.startswith(DISTILLER)}, loaded.get('meta', {})


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
