"""What can be known to be wrong with the data before training starts."""
from pathlib import Path
from typing import Iterator, Sequence

from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

from mmfmkt.models.algorithms.frozen_teacher import FrozenTeacher
from mmfmkt.models.checkpoints import shorten
from mmfmkt.models.class_count import class_counts
from mmfmkt.models.config_files import type_name
from mmfmkt.processes import unwrapped

from .checkpoint_files import Resumable


def find_datasets(node: object) -> Iterator[dict]:
    """All dataset configs with an annotation file in a data loader's config, inside any wrapper."""
    if isinstance(node, dict):
        if node.get('ann_file'):
            yield node
        for key in ('dataset', 'datasets'):
            yield from find_datasets(node.get(key))
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from find_datasets(item)


def check_data(cfg: Config, *loaders: str) -> None:
    """Look for the annotation files and image folders of the named data loaders, where they are local.

    Raises:
        FileNotFoundError: if one is not there; the message says how to set it.
    """
    for loader in loaders:
        for dataset in find_datasets(cfg.get(loader)):
            if dataset.get('backend_args'):  # MMEngine may map the paths to a server
                continue
            root = dataset.get('data_root') or ''
            check_path(root, dataset['ann_file'], f'{loader}: the annotation file', 'ann_file')
            for folder in (dataset.get('data_prefix') or {}).values():
                check_path(root, folder, f'{loader}: the image folder', 'data_prefix')


def check_path(root: str, name: str, what: str, option: str) -> None:
    path = Path(root) / name
    if '://' not in f'{root}{name}' and not path.exists():
        raise FileNotFoundError(f'{what} {path} must exist, but it does not (current folder: {Path.cwd()}); set '
                                f'`data_root` or `{option}` of the dataset in the config or with --cfg-options')


def check_optimizer(cfg: Config) -> None:
    """Raise a ValueError if the optimizer tells layers apart by the place of `backbone` at the head of their names.

    In a distillation the names of the student's parameters begin with `architecture`.
    """
    constructor = (cfg.get('optim_wrapper') or {}).get('constructor') or ''
    if 'LearningRateDecay' in constructor or 'LayerDecay' in constructor:
        raise ValueError('`optim_wrapper.constructor` must not be one that decays learning rates by layer, because it would '
                         f'take the whole student for one layer, but got {constructor}; use `paramwise_cfg` with '
                         '`custom_keys`')


def check_sharding(cfg: Config) -> None:
    """Raise a ValueError if a strategy of MMEngine's FlexibleRunner cannot train or save what the config says."""
    strategy = type_name(cfg.get('strategy') or {})
    hooks = {type_name(hook) for hook in cfg.get('custom_hooks') or []}
    if strategy == 'DeepSpeedStrategy' or strategy == 'FSDPStrategy':
        raise ValueError(f"`strategy` must be dict(type='DistillFSDPStrategy') for parameters in shards, but got {strategy}, whose "
                         'checkpoints MMDetection cannot read')
    if strategy == 'DistillFSDPStrategy' and hooks & {'EMAHook', 'ExpMomentumEMAHook'}:
        raise ValueError('EMAHook must not be used with FSDP, where each process would average its own shards; leave it out, '
                         'or train without `strategy`')


def build_training_data(runner: Runner) -> None:
    """Build the loops of training and validation, with their data sets and metrics, and compare the classes.

    Raises:
        ValueError: if a data set cannot be read, or has other classes than the heads of the detector.
        FileNotFoundError: if the annotation file of a metric is not there.
    """
    try:
        loops = [loop for loop in (runner.train_loop, runner.val_loop) if loop is not None]
    except ValueError as error:
        raise ValueError(f'the data could not be read: {error}; does the annotation file have images with boxes, and '
                         'are the classes in the `metainfo` of the dataset named as in that file?') from error
    of_heads = class_counts(runner.model)
    for loop in loops:
        classes = loop.dataloader.dataset.metainfo.get('classes')
        if classes and of_heads and of_heads != {len(classes)}:
            raise ValueError(f'the data set has {len(classes)} classes ({", ".join(classes[:3])}, ...), but the heads of '
                             f'the detector have num_classes={sorted(of_heads)}; set num_classes of every head, or '
                             '`metainfo=dict(classes=...)` of the dataset')
        check_teacher_classes(runner.model, classes)


def check_teacher_classes(model: nn.Module, classes: Sequence[str] | None) -> None:
    """Raise a ValueError if the teacher's checkpoint names other classes than the data set, or the same in another order."""
    model = unwrapped(model)
    teacher = getattr(model, 'teacher', None)
    if not classes or not isinstance(teacher, FrozenTeacher) or not teacher.classes or not model.check_classes:
        return
    if list(map(spelled, teacher.classes)) != list(map(spelled, classes)):
        wrong = next((pair for pair in zip(teacher.classes, classes) if spelled(pair[0]) != spelled(pair[1])), None)
        first = f'; the first that differ are {wrong[0]} and {wrong[1]}' if wrong else ''
        raise ValueError('the teacher must have been trained on the classes of the data set, in their order, but its '
                         f'checkpoint names {len(teacher.classes)} ({", ".join(teacher.classes[:3])}, ...) and the data set '
                         f'{len(classes)} ({", ".join(classes[:3])}, ...){first}; train the teacher on the data of the '
                         'student, or, if the names mean the same, set `check_classes=False` of the model')


def spelled(name: str) -> str:
    """A name as it is compared: versions of COCO's classes differ in `traffic light` and `traffic_light`."""
    return name.lower().replace('_', ' ').replace('-', ' ')


def check_evaluation(runner: Runner) -> None:
    """Raise a ValueError if the teacher shall be measured, and there is nothing to measure it on."""
    if getattr(unwrapped(runner.model), 'evaluate_teacher', False) and runner.val_loop is None:
        raise ValueError('`evaluate_teacher` must be used with validation data, but there are none; set `val_dataloader`, '
                         '`val_evaluator` and `val_cfg`')


def check_resumable(model: nn.Module, resumed: Resumable) -> None:
    """Raise a ValueError if a checkpoint to go on from was not written by such a run."""
    model, content = unwrapped(model), resumed.content
    missing = [key for key in model.state_dict() if key not in resumed.weights and key not in content.get('distiller', {})]
    if missing or 'optimizer' not in content:
        lacks = f'the weights of {shorten(missing)}' if missing else 'an optimizer'
        raise ValueError(f'the checkpoint to go on from must be one of this run, but {resumed.path} lacks {lacks}; to start '
                         'from the weights of another, set load_from')
