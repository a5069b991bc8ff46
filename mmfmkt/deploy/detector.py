"""From a distillation run to the detector that is deployed."""

import copy
from typing import Any

from mmdet.registry import MODELS as DETECTORS
from mmengine.config import Config
from mmengine.registry import STRATEGIES
from mmrazor.registry import HOOKS, LOOPS, METRICS, MODELS, OPTIM_WRAPPERS

from mmfmkt.common.checkpoints import read_checkpoint
from mmfmkt.models import FMKTDistill
from mmfmkt.pairing.method import VARIABLES
from mmfmkt.pairing.short_form import is_short, trained_architecture

# what a config has of the files of teachers and methods that are its bases
METHOD_VARIABLES = {'teacher', *VARIABLES} - {'distiller', 'flow', 'custom_imports'}
REGISTRIES = (MODELS, DETECTORS, HOOKS, LOOPS, METRICS, OPTIM_WRAPPERS, STRATEGIES)
DISTILLER = 'distiller.'  # what the keys of its weights begin with


def part_of_project(node: object) -> Any:
    """The class or function of this project that `node` is the config of, with or without its scope."""
    part_type = node.get('type') if isinstance(node, dict) else None
    registries = REGISTRIES if isinstance(part_type, str) else ()
    found = [registry.get(part_type) for registry in registries]
    return next((part for part in found if part and part.__module__.startswith('mmfmkt.')), None)


def stock_type(part: type) -> str:
    """The name of MMEngine's class that a class of this project extends."""
    return next(base.__name__ for base in part.__mro__ if not base.__module__.startswith('mmfmkt.'))


def needs_project(node: object) -> bool:
    """Does a part of this project stand anywhere in a config?"""
    if isinstance(node, dict):
        return part_of_project(node) is not None or any(map(needs_project, node.values()))
    return isinstance(node, (list, tuple)) and any(map(needs_project, node))


def is_distillation(cfg: Config) -> bool:
    part = part_of_project(cfg.model)
    return isinstance(part, type) and issubclass(part, FMKTDistill)


def deployed_config(cfg: Config, checkpoint: str | None = None) -> Config:
    """The config of the detector that distillation leaves: no teacher, no distiller, none of its hooks.

    For the Θ forms, and for detectors that were trained without distillation, it needs nothing of this project. For the
    others it needs `custom_imports`, because the flow is a part of the detector.

    Args:
        cfg: config of a run.
        checkpoint: a checkpoint of that run, from which levels and settings of a short form's flow are read.
    """
    cfg = copy.deepcopy(cfg)
    distilled = is_short(cfg) or is_distillation(cfg)
    if is_short(cfg):
        cfg.model = trained_architecture(cfg.model, checkpoint)
    elif distilled:
        cfg.model = cfg.model.architecture
    if cfg.get('data_preprocessor') and not cfg.model.get('data_preprocessor'):  # a runner gives it to the model
        cfg.model['data_preprocessor'] = cfg.data_preprocessor
    if cfg.get('custom_hooks'):
        cfg.custom_hooks = [hook for hook in cfg.custom_hooks if not needs_project(hook)]
    hooks = cfg.get('default_hooks') or {}
    for name in [name for name, hook in hooks.items() if needs_project(hook)]:
        hooks.pop(name)
    # mixed precision on a CPU; resuming anywhere; a faster evaluation
    for name in ('optim_wrapper', 'train_cfg', 'val_evaluator', 'test_evaluator'):
        of_name = cfg.get(name)
        for part in of_name if isinstance(of_name, (list, tuple)) else [of_name]:
            if part_of_project(part):
                part.type = stock_type(part_of_project(part))
    if distilled or needs_project(cfg.get('strategy')):  # training in shards
        cfg.pop('runner_type', None)
        cfg.pop('strategy', None)
    saving = hooks.get('checkpoint') or {}
    if saving.get('backend_args') == dict(backend='whole_files'):
        saving.pop('backend_args')
    for key in list(cfg):
        if distilled and key in METHOD_VARIABLES or key != 'model' and needs_project(cfg[key]):
            cfg.pop(key)
    if 'custom_imports' in cfg and not needs_project(cfg.model):
        drop_import(cfg)
    return cfg


def drop_import(cfg: Config) -> None:
    """Let the config import what it imports, but not this project."""
    imports = cfg.custom_imports.imports
    others = [
        module for module in ([imports] if isinstance(imports, str) else imports) if module.split('.')[0] != 'mmfmkt'
    ]
    if others:
        cfg.custom_imports.imports = others
    else:
        cfg.pop('custom_imports')


def student_weights(checkpoint: str, choice: str | None = None) -> tuple[dict, dict]:
    """The student's weights in a checkpoint, without the distiller's, and the checkpoint's `meta`.

    Args:
        checkpoint: file or address.
        choice: of a run with an EMA hook, 'ema' for the averaged weights and 'live' for those that are being trained;
            by default those that a test takes, which are the averaged ones if there are any.

    Raises:
        FileNotFoundError: if the checkpoint is not there.
        ValueError: if it cannot be read, or if the choice has nothing to choose from.
    """
    weights, loaded = read_checkpoint(checkpoint, 'the checkpoint')
    if choice and 'ema_state_dict' not in loaded:
        raise ValueError(
            'the checkpoint must be of a run with an EMA hook to choose between averaged and other weights, but '
            f'{checkpoint} has {", ".join(loaded)}'
        )
    if choice == 'live':  # MMEngine swaps the two when it saves
        weights = {
            key.removeprefix('module.'): value for key, value in loaded['ema_state_dict'].items() if key != 'steps'
        }
    meta = loaded.get('meta')
    return (
        {key: value for key, value in weights.items() if not key.startswith(DISTILLER)},
        meta if isinstance(meta, dict) else {},
    )
