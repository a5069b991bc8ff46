"""What can be known to be wrong with the data before training starts."""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from mmdet.registry import DATASETS
from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmengine.runner import Runner
from torch import nn

from mmfmkt.common.checkpoints import trained_classes
from mmfmkt.common.datasets import DataSet
from mmfmkt.common.messages import shorten
from mmfmkt.common.processes import unwrapped
from mmfmkt.detectors.class_count import class_counts
from mmfmkt.engine.hooks import UnlabelledHook
from mmfmkt.engine.loading.sample_errors import name_samples
from mmfmkt.inspection import Part, parts_of, remembering
from mmfmkt.models.distill.fmkt_distill import FMKTDistill
from mmfmkt.models.teacher.frozen_teacher import FrozenTeacher

from .unreadable import find_datasets, unreadable


def check_data(cfg: Config, *loaders: str) -> None:
    """Look for the annotation files and image folders of the named data loaders, where they are local.

    Raises:
        FileNotFoundError: if one is not there; the message says how to set it.
        ValueError: if a folder is none.
    """
    for loader in loaders:
        for dataset in find_datasets(cfg.get(loader)):
            if dataset.get('backend_args'):  # MMEngine may map the paths to a server
                continue
            root, folders = dataset.get('data_root') or '', dataset.get('data_prefix') or {}
            if not isinstance(root, str) or not isinstance(folders, dict):
                raise ValueError(
                    f'`data_root` and `data_prefix` of a dataset must be a folder and a dict of folders below it, but '
                    f'got {root!r} and {folders!r}'
                )
            if not isinstance(dataset['ann_file'], str):
                raise ValueError(
                    f'`ann_file` of a dataset must be the name of one file, but got {dataset["ann_file"]!r}; for '
                    "several there is dict(type='ConcatDataset', datasets=[...])"
                )
            check_path(root, dataset['ann_file'], f'{loader}: the annotation file', 'ann_file')
            for folder in folders.values():
                check_path(root, folder, f'{loader}: the image folder', 'data_prefix')


def check_path(root: str, name: str, what: str, option: str) -> None:
    path = Path(root) / name
    if '://' not in f'{root}{name}' and not path.exists():
        raise FileNotFoundError(
            f'{what} {path} must exist, but it does not (current folder: {Path.cwd()}); set '
            f'`data_root` or `{option}` of the dataset in the config or with --cfg-options'
        )


def build_data(runner: Runner, *names: str) -> list[Part]:
    """Build loops of a runner, 'train', 'val' or 'test', with data set and metric, and return their data sets.

    From now on their images are named in errors.

    Raises:
        ValueError: if a data set cannot be read.
        FileNotFoundError: if the annotation file of a metric is not there.
    """
    parts: list[Part] = []
    # what is in their files is for the process that looks
    looking: AbstractContextManager[dict] = remembering() if is_main_process() else nullcontext({})
    with looking as files:
        for name in names:
            try:
                loop = getattr(runner, f'{name}_loop')
            except FileNotFoundError:
                raise
            except Exception as error:
                raise unreadable(name, runner.cfg.get(f'{name}_dataloader'), error, files) from error
            if loop is not None:
                parts += parts_of(name, loop.dataloader.dataset, files)
                name_samples(loop.dataloader.dataset)
    return parts


def build_datasets(cfg: Config, *splits: str) -> tuple[dict[str, DataSet], list[Part]]:
    """The data sets of a config, by their split, without a runner, and the same without wrappers.

    Raises:
        ValueError: if a data set cannot be read.
    """
    datasets: dict[str, DataSet] = {}
    parts: list[Part] = []
    with remembering() as files:
        for split in splits:
            loader = cfg[f'{split}_dataloader']
            try:
                datasets[split] = DATASETS.build(loader.dataset)
                if hasattr(datasets[split], 'full_init'):  # with `lazy_init` nothing was read
                    datasets[split].full_init()
            except Exception as error:
                raise unreadable(split, loader, error, files) from error
            parts += parts_of(split, datasets[split], files)
    return datasets, parts


def unlabelled_images(runner: Runner) -> list[str]:
    """The files of images that a run learns from without labels."""
    hooks = [hook for hook in runner.hooks if isinstance(hook, UnlabelledHook)]
    return [path for hook in hooks for part in parts_of('train', hook.dataset, {}) for path in part.images]


def check_classes(model: nn.Module, parts: Sequence[Part]) -> None:
    """Raise a ValueError if data and heads differ in their classes, or data and teacher."""
    of_heads = class_counts(model)
    for part in parts:
        classes = part.classes
        things = part.dataset.metainfo.get('thing_classes') or classes  # those of a panoptic data set that are detected
        if classes and of_heads and of_heads != {len(things)}:
            raise ValueError(
                f'the data set has {len(things)} classes ({", ".join(things[:3])}, ...), but the heads of '
                f'the detector have num_classes={sorted(of_heads)}; set num_classes of every head, or '
                '`metainfo=dict(classes=...)` of the dataset'
            )
        check_teacher_classes(model, classes)


def check_teacher_classes(model: nn.Module, classes: Sequence[str] | None) -> None:
    """Raise a ValueError if the classes of the teacher's checkpoint or their order are not those of the data set."""
    model = unwrapped(model)
    if not classes or not isinstance(model, FMKTDistill) or not model.check_classes:
        return
    for teacher in model.teachers():
        check_classes_of_teacher(teacher, classes)


def check_classes_of_teacher(teacher: FrozenTeacher, classes: Sequence[str]) -> None:
    if teacher.classes and list(map(spelled, teacher.classes)) != list(map(spelled, classes)):
        wrong = next((pair for pair in zip(teacher.classes, classes) if spelled(pair[0]) != spelled(pair[1])), None)
        first = f'; the first that differ are {wrong[0]} and {wrong[1]}' if wrong else ''
        raise ValueError(
            'the teacher must have been trained on the classes of the data set, in their order, but its '
            f'checkpoint names {len(teacher.classes)} ({", ".join(teacher.classes[:3])}, ...) and the data set '
            f'{len(classes)} ({", ".join(classes[:3])}, ...){first}; train the teacher on the data of the '
            'student, or, if the names mean the same, set `check_classes=False` of the model'
        )


def check_tested_classes(meta: dict, classes: Sequence[str], checkpoint: str) -> None:
    """Compare the classes of the data with those that a checkpoint was trained on, if it says so; warn if they differ.

    Raises:
        ValueError: if they are the same in another order, which is a mistake for certain.
    """
    trained = trained_classes(dict(meta=meta))
    if not trained or not classes:
        return
    of_checkpoint, of_data = list(map(spelled, trained)), list(map(spelled, classes))
    if of_checkpoint == of_data:
        return
    said = (
        f'the classes of the data set must be those that {checkpoint} was trained on, in their order, '
        f'{shorten(trained)}, but are {shorten(classes)}'
    )
    if sorted(of_checkpoint) == sorted(of_data):
        raise ValueError(f'{said}; write the `categories` of the file, and `classes`, in the order of the training')
    print_log(said, 'current', logging.WARNING)


def spelled(name: str) -> str:
    """A name as it is compared: versions of COCO's classes differ in `traffic light` and `traffic_light`."""
    return name.lower().replace('_', ' ').replace('-', ' ')


def check_evaluation(runner: Runner) -> None:
    """Raise a ValueError if the teacher shall be measured, and there is nothing to measure it on."""
    if getattr(unwrapped(runner.model), 'evaluate_teacher', False) and runner.val_loop is None:
        raise ValueError(
            '`evaluate_teacher` must be used with validation data, but there are none; set `val_dataloader`, '
            '`val_evaluator` and `val_cfg`'
        )
