"""What follows a training or a test, tried before it on made-up detections: nobody wants to hear of it after a day."""

import contextlib
import copy
import io
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence

import torch
from mmcv import imfrombytes
from mmdet.engine.hooks import DetVisualizationHook
from mmdet.evaluation import CocoMetric
from mmdet.models.utils import samplelist_boxtype2tensor
from mmdet.structures import DetDataSample
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import BaseMetric, DumpResults
from mmengine.fileio import get
from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmengine.structures import InstanceData

from mmfmkt.cli.start import message
from mmfmkt.common.processes import unwrapped
from mmfmkt.inspection import Part


def rehearse(runner: Runner, parts: Sequence[Part]) -> None:
    """Try pipeline, metrics, and what reads them, on the first and the last image of every file of val and test.

    Each has one detection of every class. A metric of COCO is computed on these images alone.

    Raises:
        ValueError: if one of them fails, or if a hook waits for a figure that no metric has.
    """
    for split in dict.fromkeys(part.split for part in parts if part.split != 'train'):
        of_split = [part for part in parts if part.split == split]
        packed = [sample_of(part, index) for part in of_split for index in dict.fromkeys((0, len(part.dataset) - 1))]
        with_masks = getattr(unwrapped(runner.model), 'with_mask', False)
        for sample in packed:
            sample['data_samples'].pred_instances = made_up(
                sample['data_samples'], len(of_split[0].classes) or 1, with_masks
            )
        figures = {}
        with tempfile.TemporaryDirectory() as folder, quiet():
            for metric in getattr(runner, f'{split}_loop').evaluator.metrics:
                check_crowd(metric, of_split)
                figures.update(try_metric(metric, packed, folder, f'{split}_evaluator', of_split))
            try_visualizer(runner, packed[0]['data_samples'], folder)
        if split == 'val':
            check_watched(runner, figures)


def sample_of(part: Part, index: int) -> dict:
    """An image as the pipeline makes it, whose errors name it."""
    if not len(part.dataset):
        raise ValueError(f'{part.split} must have images, but there is none in {part.file}')
    sample = part.dataset[index]
    if not isinstance(sample, dict) or not isinstance(sample.get('data_samples'), DetDataSample):
        raise ValueError(
            f'the pipeline of `{part.split}_dataloader` must end with PackDetInputs, but it returns '
            f'{type(sample).__name__}'
        )
    samplelist_boxtype2tensor([sample['data_samples']])  # as a detector's preprocessor does
    return sample


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


def check_crowd(metric: BaseMetric, parts: Sequence[Part]) -> None:
    """Raise a ValueError if COCO's evaluation would look for `iscrowd` in vain."""
    for part in parts:
        if isinstance(metric, CocoMetric) and part.content is not None and part.content.without_crowd:
            raise ValueError(
                f'every annotation of {part.file} must have `iscrowd`, which the evaluation of COCO reads, but '
                f'{part.content.without_crowd} of {len(part.content.boxes)} have none; write "iscrowd": 0'
            )


def try_metric(
    metric: BaseMetric, packed: Sequence[dict], folder: str, option: str, parts: Sequence[Part]
) -> dict[str, float]:
    """The names and values of the figures that a metric has. The metric itself stays as it is."""
    if isinstance(metric, DumpResults):  # it writes what it is given
        return {}
    trial = copy.copy(metric)
    trial.results = []
    if getattr(trial, 'outfile_prefix', None):
        trial.outfile_prefix = os.path.join(folder, 'results')
    if isinstance(trial, CocoMetric) and trial._coco_api is not None and trial.img_ids is None:
        trial.img_ids = [sample['data_samples'].img_id for sample in packed]
    try:
        trial.process(pseudo_collate(packed), [sample['data_samples'].to_dict() for sample in packed])
        figures = trial.compute_metrics(trial.results)
    except Exception as error:
        own = f', and {type(metric).__name__} reads a file of its own' if getattr(trial, '_coco_api', None) else ''
        raise ValueError(
            f'`{option}` must fit the data set and the detector, but {type(metric).__name__} fails on made-up '
            f'detections: {message(error)}; the images are those of {" and ".join(part.file for part in parts)}{own}: '
            f'set `ann_file` and `metric` of `{option}` to what belongs to them (--no-rehearsal leaves this out)'
        ) from error
    return {f'{trial.prefix}/{name}' if trial.prefix else name: value for name, value in figures.items()}


def try_visualizer(runner: Runner, sample: DetDataSample, folder: str) -> None:
    """Draw an image into a folder, if the detections of a validation or test are drawn."""
    hook = next((hook for hook in runner.hooks if isinstance(hook, DetVisualizationHook)), None)
    if hook is None or not hook.draw:
        return
    try:
        image = imfrombytes(get(sample.img_path, backend_args=hook.backend_args), channel_order='rgb')
        runner.visualizer.add_datasample(
            'rehearsal', image, data_sample=sample, show=False, out_file=os.path.join(folder, 'rehearsal.png')
        )
    except Exception as error:
        raise ValueError(
            f'`visualizer` must draw detections, because `default_hooks.visualization` asks for it, but it fails: '
            f'{message(error)}'
        ) from error


def check_watched(runner: Runner, figures: dict[str, float]) -> None:
    """Raise a ValueError if a hook or a schedule waits for a figure that the validation does not have."""
    watched = []
    for hook in runner.hooks:
        if isinstance(hook, CheckpointHook):
            names = [hook.save_best] if isinstance(hook.save_best, str) else hook.save_best or ()
            watched += [('`save_best` of the checkpoint hook', name) for name in names]
        if isinstance(hook, EarlyStoppingHook):
            watched.append(('`monitor` of EarlyStoppingHook', hook.monitor))
    for option, name in watched:
        if name != 'auto' and name not in figures:
            raise ValueError(
                f'{option} must be a figure of the validation, but got {name!r}; there are {", ".join(figures)}'
            )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """What a metric says about made-up detections is of no use to anybody."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
