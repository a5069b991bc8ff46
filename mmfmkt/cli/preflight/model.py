"""What can be known to be wrong with the model of a config, and with how its parameters are trained."""

import importlib.util
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import nn

from mmfmkt.common.building import check_release
from mmfmkt.common.config_files import type_name
from mmfmkt.common.processes import unwrapped

OF_FLOW = re.compile(r'(^|\.)meta_encoders\.')  # in the names of a flow's parameters


def check_compile(cfg: Config) -> None:
    """Raise a ValueError if a distillation shall be compiled."""
    for place, settings in (('compile', cfg), ('model.compile', cfg.model)):
        if settings.get('compile'):
            raise ValueError(
                f'`{place}` must not be set in a distillation, but got {settings.compile!r}: what losses read of '
                'student and teacher is recorded by forward hooks, which torch.compile does not run as they are; '
                'export the student, and compile that'
            )


def check_model(cfg: Config) -> None:
    """Raise a ValueError for settings that end a training after everything has been read, without their name."""
    for place, part in parts_of(cfg.model):
        check_release(part, place)
        check_initial_weights(place, part.get('init_cfg'))
    if torch.cuda.is_available():
        return
    for loop in ('val_cfg', 'test_cfg'):
        if (cfg.get(loop) or {}).get('fp16'):
            raise ValueError(
                f'`{loop}.fp16` must be left out on a CPU, where it makes boxes of bfloat16, which metrics cannot read'
            )
    if type_name(cfg.get('optim_wrapper') or {}) == 'AmpOptimWrapper':
        raise ValueError(
            '`optim_wrapper.type` must be OptimWrapper on a CPU, but got AmpOptimWrapper, which is for GPUs; --amp '
            'chooses the mixed precision of the device'
        )


def parts_of(model: dict, place: str = 'model') -> Iterator[tuple[str, dict]]:
    """The dicts of a model's config with the settings that lead to them; not those of a teacher, which is loaded."""
    yield place, model
    for key, value in model.items():
        if isinstance(value, dict) and key not in ('teacher', 'init_cfg'):
            yield from parts_of(value, f'{place}.{key}')


def check_initial_weights(place: str, init_cfg: object) -> None:
    """Raise a ValueError if weights to start from cannot be had."""
    for each in init_cfg if isinstance(init_cfg, (list, tuple)) else [init_cfg]:
        checkpoint = each.get('checkpoint') if isinstance(each, dict) else None
        if not isinstance(checkpoint, str):
            continue
        if checkpoint.startswith('torchvision://') and importlib.util.find_spec('torchvision') is None:
            raise ValueError(
                f'`{place}.init_cfg` has the weights {checkpoint}, which torchvision names, but torchvision is not '
                f'installed; install the one that belongs to torch {torch.__version__.split("+")[0]} '
                f'(docs/install.md, "ImageNet weights"), or set `{place}.init_cfg` to a file'
            )
        if '://' not in checkpoint and not Path(checkpoint).exists():
            raise ValueError(
                f'`{place}.init_cfg` must have a checkpoint that is there, but {checkpoint} is not (current folder: '
                f'{Path.cwd()})'
            )


def build_optimizer(runner: Runner) -> OptimWrapper:
    """The optimizer of a runner.

    Raises:
        ValueError: if it would train a parameter twice.
    """
    try:
        return runner.build_optim_wrapper(runner.optim_wrapper)
    except ValueError as error:
        if 'more than one parameter group' not in str(error):
            raise
        raise ValueError(
            f'`paramwise_cfg` must have bypass_duplicate=True for a detector some of whose layers are shared: {error}'
        ) from error


def warn_of_keys(cfg: Config, model: nn.Module) -> None:
    """Say which `custom_keys` hold for the parameters of a flow, because they are a part of their names."""
    settings = ((cfg.get('optim_wrapper') or {}).get('paramwise_cfg') or {}).get('custom_keys') or {}
    keys = sorted(sorted(settings), key=len, reverse=True)  # MMEngine takes the first of these that is in a name
    names = [name for name, _ in unwrapped(model).named_parameters() if OF_FLOW.search(name)]
    chosen = {key: name for name in reversed(names) if (key := next((each for each in keys if each in name), None))}
    for key, name in chosen.items():
        print_log(
            f'`paramwise_cfg.custom_keys` {key!r} holds for parameters of the flow too, as {name}: {settings[key]}',
            'current',
            logging.WARNING,
        )
