"""What can be known to be wrong with a config before anything is built."""

import os

from mmengine.config import Config

from mmfmkt.common.config_files import type_name
from mmfmkt.common.processes import LAUNCHERS

DICTS = (
    'model',
    'train_cfg',
    'val_cfg',
    'test_cfg',
    'train_dataloader',
    'val_dataloader',
    'test_dataloader',
    'optim_wrapper',
    'default_hooks',
    'env_cfg',
    'randomness',
    'visualizer',
    'auto_scale_lr',
    'strategy',
)
STARTED_BY = dict(
    pytorch='torchrun or tools/dist_train.sh',
    slurm='srun or tools/slurm_train.sh',
    mpi='mpirun of Open MPI with -x MASTER_ADDR=HOST',
)


def check_kinds(cfg: Config) -> None:
    """Raise a ValueError if a setting that is a dict in every config of MMDetection is none, or a hook is none."""
    for key in DICTS:
        value = cfg.get(key)
        if key == 'model' and not value:
            raise ValueError(
                f'the config must be that of a detector, with a `model`, but it has {", ".join(cfg) or "nothing"}'
            )
        if (
            value is not None
            and not isinstance(value, dict)
            and not (key.startswith('val') and isinstance(value, list))
        ):
            raise ValueError(f'`{key}` must be a dict, but got {value!r}')
    hooks = cfg.get('custom_hooks') or []
    if not isinstance(hooks, (list, tuple)) or not all(isinstance(hook, dict) for hook in hooks):
        raise ValueError(f'`custom_hooks` must be a list of dict(type=...), but got {hooks!r}')


def check_launcher(launcher: str) -> None:
    """Raise a ValueError if several processes are asked for and nobody has started them."""
    if launcher not in LAUNCHERS:
        return
    for variable in (LAUNCHERS[launcher]['RANK'], *['MASTER_ADDR'] * (launcher == 'mpi')):
        if variable not in os.environ:
            raise ValueError(
                f'--launcher {launcher} must be started by {STARTED_BY[launcher]}, but {variable} is not in the '
                'environment'
            )


def check_sampler(cfg: Config) -> None:
    """Raise a ValueError if an epoch would never end."""
    loader, loop = cfg.get('train_dataloader') or {}, cfg.get('train_cfg') or {}
    sampler = type_name(loader.get('sampler') or loader.get('batch_sampler') or {})
    by_epoch = loop.get('by_epoch', 'EpochBased' in type_name(loop) or 'max_epochs' in loop)
    if 'Infinite' in sampler and by_epoch:
        raise ValueError(
            f'a training by epochs must have a sampler that ends, as DefaultSampler, but got {sampler}, with which the '
            "first epoch never ends; or train by iterations, with train_cfg=dict(type='IterBasedTrainLoop', "
            'max_iters=...)'
        )


def check_optimizer(cfg: Config) -> None:
    """Raise a ValueError if the optimizer tells layers apart by the place of `backbone` at the head of their names.

    In a distillation the names of the student's parameters begin with `architecture`.
    """
    constructor = (cfg.get('optim_wrapper') or {}).get('constructor') or ''
    constructor = getattr(constructor, '__name__', constructor)
    if 'LearningRateDecay' in constructor or 'LayerDecay' in constructor:
        raise ValueError(
            '`optim_wrapper.constructor` must not be one that decays learning rates by layer, because it would '
            f'take the whole student for one layer, but got {constructor}; use `paramwise_cfg` with '
            '`custom_keys`'
        )


def check_sharding(cfg: Config) -> None:
    """Raise a ValueError if a strategy of MMEngine's FlexibleRunner cannot train or save what the config says."""
    strategy = type_name(cfg.get('strategy') or {})
    hooks = {type_name(hook) for hook in cfg.get('custom_hooks') or []}
    if strategy == 'DeepSpeedStrategy' or strategy == 'FSDPStrategy':
        raise ValueError(
            f"`strategy` must be dict(type='DistillFSDPStrategy') for parameters in shards, but got {strategy}, whose "
            'checkpoints MMDetection cannot read'
        )
    if strategy == 'DistillFSDPStrategy' and hooks & {'EMAHook'}:
        raise ValueError(
            'EMAHook must not be used with FSDP, where each process would average its own shards; leave it out, '
            'or train without `strategy`'
        )
