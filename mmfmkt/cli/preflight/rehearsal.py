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
from mmdet.evaluation import CocoMetric, VOCMetric
from mmdet.models.utils import samplelist_boxtype2tensor
from mmdet.structures import DetDataSample
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import BaseMetric, DumpResults
from mmengine.fileio import get
from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.logging import MMLogger, print_log
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
        samples = [first_of(sample['data_samples']) for sample in packed]
        samplelist_boxtype2tensor(samples)  # as a detector's preprocessor does
        with_masks = getattr(unwrapped(runner.model), 'with_mask', False)
        for sample in samples:
            sample.pred_instances = made_up(sample, len(of_split[0].classes) or 1, with_masks)
        metrics = getattr(runner, f'{split}_loop').evaluator.metrics
        with tempfile.TemporaryDirectory() as folder:
            figures = [
                try_metric(metric, packed, samples, folder, of_split)
                for metric in metrics
                if not isinstance(metric, DumpResults)  # it writes what it is given
            ]
            try_visualizer(runner, samples[0], folder)
        if split == 'val' and None not in figures:
            check_watched(runner, {name: value for each in figures for name, value in each.items()})


def sample_of(part: Part, index: int) -> dict:
    """An image as the pipeline makes it, whose errors name it."""
    if not len(part.dataset):
        raise ValueError(f'{part.split} must have images, but there is none in {part.file}')
    sample = part.dataset[index]
    if not isinstance(sample, dict) or 'data_samples' not in sample:
        raise ValueError(
            f'the pipeline of `{part.split}_dataloader` must end with PackDetInputs, but it returns '
            f'{type(sample).__name__} without data_samples'
        )
    return sample


def first_of(samples: DetDataSample | list[DetDataSample]) -> DetDataSample:
    """The sample of an image; test-time augmentation makes several."""
    return samples[0] if isinstance(samples, list) else samples


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
    metric: BaseMetric, packed: Sequence[dict], samples: Sequence[DetDataSample], folder: str, parts: Sequence[Part]
) -> dict[str, float] | None:
    """The names and values of the figures that a metric has; the metric itself stays as it is.

    One of MMDetection's for boxes has to work; another may want more than a box, a score and a label, and is reported.
    """
    check_crowd(metric, parts)
    trial = copy.copy(metric)
    trial.results = []
    if getattr(trial, 'outfile_prefix', None):
        trial.outfile_prefix = os.path.join(folder, 'results')
    if isinstance(trial, CocoMetric) and trial.img_ids is None:
        trial.img_ids = [sample.img_id for sample in samples]
    try:
        with quiet():
            trial.process(pseudo_collate(packed), [sample.to_dict() for sample in samples])
            figures = trial.compute_metrics(trial.results)
    except Exception as error:
        option = f'{parts[0].split}_evaluator'
        said = (
            f'`{option}` must fit the data set and the detector, but {type(metric).__name__} fails on made-up '
            f'detections: {message(error)}; the images are those of {" and ".join(part.file for part in parts)}: set '
            f'`ann_file` and `metric` of `{option}` to what belongs to them (--no-rehearsal leaves this out)'
        )
        if isinstance(metric, (CocoMetric, VOCMetric)):
            raise ValueError(said) from error
        print_log(said, 'current', logging.WARNING)
        return None
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
