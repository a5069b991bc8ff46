"""A training and what follows it, tried before it on a few images: nobody wants to hear of it after a day."""

import copy
import logging
import tempfile
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from mmdet.models.utils import samplelist_boxtype2tensor
from mmdet.structures import DetDataSample
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.runner import Runner
from mmengine.structures import InstanceData

from mmfmkt.cli.start import message
from mmfmkt.common.datasets import DataSet, uncut
from mmfmkt.common.processes import unwrapped
from mmfmkt.detectors.channels import image_channels
from mmfmkt.engine.hooks import UnlabelledHook
from mmfmkt.engine.loading.sample_errors import name_samples
from mmfmkt.engine.loading.seeding import seeded
from mmfmkt.inspection import Part, inspect, with_their_parts

from .data import build_datasets, check_data, unlabelled_images
from .evaluation import check_watched, harmless_metrics, try_metric, try_visualizer

T = TypeVar('T')


def rehearse(runner: Runner, parts: Sequence[Part]) -> None:
    """Try the pipeline of the training, and the evaluation of the data sets, which are those of the runner's loops.

    Raises:
        ValueError: if one of them fails, or if a hook waits for a figure that no metric has.
    """
    for split in dict.fromkeys(part.split for part in parts):
        if split == 'train':
            try_training_data(runner, runner.train_loop.dataloader.dataset)
            for hook in runner.hooks:
                if isinstance(hook, UnlabelledHook):
                    hook.check(runner)
                    try_training_data(runner, hook.dataset, 'unlabelled')
            continue
        of_split = [part for part in parts if part.split == split]
        evaluator = getattr(runner, f'{split}_loop').evaluator
        prefixes = getattr(evaluator, 'dataset_prefixes', ())
        metrics = with_their_parts(evaluator.metrics, of_split, apart=bool(prefixes))
        figures = try_evaluation(runner, of_split, metrics, prefixes)
        if split == 'val' and figures is not None:
            check_watched(runner, figures)


def rehearse_later_test(runner: Runner, others: Sequence[Part]) -> None:
    """Warn if the test that a training's config describes, on other data than its validation, would fail or is odd.

    It is no part of the training, which goes on: its data may be on another machine. Metrics that may remove the
    results of a test are not tried.

    Args:
        runner: of the training.
        others: the data sets of the training, with which those of the test are compared.
    """
    cfg = runner.cfg
    described = cfg.get('test_dataloader'), cfg.get('test_evaluator')
    if not all(described) or described == (cfg.get('val_dataloader'), cfg.get('val_evaluator')):
        return
    try:
        check_data(cfg, 'test_dataloader')
        datasets, parts = build_datasets(cfg, 'test')
        name_samples(datasets['test'])
        for finding in inspect(parts, others, unlabelled_images(runner)):
            print_log(finding.text, 'current', logging.WARNING)
        known = harmless_metrics(cfg.test_evaluator, parts)
        evaluator = runner.build_evaluator([config for config, _ in known])
        evaluator.dataset_meta = datasets['test'].metainfo
        try_evaluation(runner, parts, [(metric, own) for metric, (_, own) in zip(evaluator.metrics, known)])
    except Exception as error:
        print_log(f'a test with this config would fail: {message(error)}', 'current', logging.WARNING)


def try_training_data(runner: Runner, dataset: DataSet, split: str = 'train') -> None:
    """Make the first and the last image of a training ready; its state and its random numbers stay as they are."""
    trial = with_own_pipelines(dataset)
    with seeded(0):
        for index in ends(trial):
            packed_by(trial, index, split, runner)


def try_evaluation(
    runner: Runner,
    parts: Sequence[Part],
    metrics: Sequence[tuple[BaseMetric, Sequence[Part]]],
    prefixes: Sequence[str] = (),
) -> dict[str, float] | None:
    """Try pipeline, metrics and visualizer on the first and the last image of every file of a split.

    Each has one detection of every class. A metric of COCO is computed on these images alone.

    Args:
        runner: with the detector and the visualizer.
        parts: the data sets of the split.
        metrics: each with the data sets that it is given.
        prefixes: what the figures of each metric are called after, if its data set is evaluated apart.

    Returns:
        The figures that the metrics have; None if there is no metric, or one that cannot be tried in this way.
    """
    split = parts[0].split
    of_parts = [(part, packed_by(part.dataset, index, split, runner)) for part in parts for index in ends(part.dataset)]
    packed = [each for _, each in of_parts]
    if not packed:
        raise ValueError(f'{split} must have images, but there is none in {" and ".join(part.file for part in parts)}')
    samples = [first_of(sample['data_samples']) for sample in packed]
    samplelist_boxtype2tensor(samples)  # as a detector's preprocessor does
    with_masks = any('mask' in name for name, _ in unwrapped(runner.model).named_modules())
    for sample in samples:
        sample.pred_instances = made_up(sample, len(parts[0].classes) or 1, with_masks)
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for metric, own in metrics:
            given = [number for number, (part, _) in enumerate(of_parts) if any(part is each for each in own)]
            chosen, found = ([listed[number] for number in given] for listed in (packed, samples))
            figures.append(try_metric(metric, chosen, found, folder, own))
        try_visualizer(runner, samples[0], folder)
    known = [of_metric for of_metric in figures if of_metric is not None]
    if not known or len(known) < len(figures):
        return None
    starts = [f'{prefix}/' for prefix in prefixes] or [''] * len(known)
    return {f'{start}{name}': value for start, each in zip(starts, known) for name, value in each.items()}


def with_own_pipelines(dataset: DataSet) -> DataSet:
    """The same data set with copies of its transforms, inside any wrapper: some keep the images that they have seen."""
    dataset = uncut(dataset)
    trial = copy.copy(dataset)
    for name, inner in list(vars(dataset).items()):
        if name == 'pipeline':
            trial.pipeline = copy.deepcopy(inner)
        elif name == 'dataset':
            trial.dataset = with_own_pipelines(inner)
        elif name == 'datasets':
            trial.datasets = [with_own_pipelines(each) for each in inner]
    return trial


def ends(dataset: DataSet) -> list[int]:
    """The indices of the first and the last image; of no image none."""
    return list(dict.fromkeys((0, len(dataset) - 1))) if len(dataset) else []


def packed_by(dataset: DataSet, index: int, split: str, runner: Runner) -> dict[str, Any]:
    """An image as the pipeline makes it, whose errors name it."""
    packed = dataset[index]
    if not isinstance(packed, dict) or 'data_samples' not in packed:
        raise ValueError(
            f'the pipeline of the {split} images must end with PackDetInputs, but it returns '
            f'{type(packed).__name__} without data_samples'
        )
    image = first_of(packed['inputs'])
    model = unwrapped(runner.model)
    channels = image_channels(getattr(model, 'architecture', model))
    if image.ndim == 3 and len(image) != channels:
        raise ValueError(
            f'the pipeline of the {split} images must make images of as many channels as the detector reads, '
            f'{channels}, but they have {len(image)}; set `color_type` of LoadImageFromFile, or `backbone.in_channels` '
            'and the statistics of `data_preprocessor` (--no-rehearsal leaves this out)'
        )
    return packed


def first_of(versions: T | list[T] | dict[str, T]) -> T:
    """The first version of an image or its sample, of which test-time augmentation and `MultiBranch` make several."""
    if isinstance(versions, dict):
        return next(iter(versions.values()))
    return versions[0] if isinstance(versions, list) else versions


def made_up(sample: DetDataSample, num_classes: int, with_masks: bool) -> InstanceData:
    """One detection of every class in the upper left quarter of an image."""
    height, width = sample.ori_shape[:2]
    found = InstanceData(
        bboxes=torch.tensor([[0.0, 0.0, width / 2, height / 2]]).repeat(num_classes, 1),
        scores=torch.full((num_classes,), 0.5),
        labels=torch.arange(num_classes),
    )
    if with_masks:
        found.masks = torch.zeros(num_classes, height, width, dtype=torch.bool)
        found.masks[:, : height // 2, : width // 2] = True
    return found
