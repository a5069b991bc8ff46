"""Metrics, pictures and hooks that read figures, tried on made-up detections."""

import contextlib
import io
import logging
import os
from collections.abc import Iterator, Sequence
from typing import Any

from mmcv import imfrombytes
from mmdet.engine.hooks import DetVisualizationHook
from mmdet.evaluation import CocoMetric, DumpODVGResults, DumpProposals, VOCMetric
from mmdet.registry import METRICS
from mmdet.structures import DetDataSample
from mmengine.dataset import pseudo_collate
from mmengine.evaluator import BaseMetric, DumpResults
from mmengine.fileio import get
from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.logging import MMLogger, print_log
from mmengine.runner import Runner

from mmfmkt.cli.start import message
from mmfmkt.common.config_files import type_name
from mmfmkt.common.evaluation_metrics import without_results
from mmfmkt.inspection import Part, check_evaluated, with_their_parts

from .findings import tell

FOR_BOXES = CocoMetric, VOCMetric
WRITERS = DumpResults, DumpODVGResults, DumpProposals  # they have no figures, and write what they get


def harmless_metrics(evaluator: Any, parts: Sequence[Part]) -> list[tuple[dict, Sequence[Part]]]:
    """The metrics in the config of an evaluator that may be built to be looked at, with the data sets of each.

    They are MMDetection's for boxes. Others may write or remove files when they begin. One whose type is unknown is
    among them: that it cannot be built is worth telling.
    """
    listed = evaluator['metrics'] if 'metrics' in evaluator else evaluator
    listed = listed if isinstance(listed, (list, tuple)) else [listed]
    pairs = with_their_parts(listed, parts, 'dataset_prefixes' in evaluator)
    kinds = [METRICS.get(each['type']) if isinstance(each['type'], str) else each['type'] for each, _ in pairs]
    return [
        pair
        for pair, kind in zip(pairs, kinds)
        if kind is None or isinstance(kind, type) and issubclass(kind, FOR_BOXES)
    ]


def try_metric(
    metric: BaseMetric, packed: Sequence[dict], samples: Sequence[DetDataSample], folder: str, parts: Sequence[Part]
) -> dict[str, float] | None:
    """The names and values of the figures that a metric has; the metric itself stays as it is.

    One of MMDetection's for boxes has to work; another may want more than a box, a score and a label, and is reported.
    One that writes what it gets is not tried.
    """
    if isinstance(metric, WRITERS):
        return {}
    tell(check_evaluated(metric, parts))
    trial = without_results(metric)
    if getattr(trial, 'outfile_prefix', None):
        trial.outfile_prefix = os.path.join(folder, 'results')
        os.makedirs(trial.outfile_prefix, exist_ok=True)  # a folder for some metrics, the beginning of names for others
    if isinstance(trial.dataset_meta, list) and len(parts) == 1:  # MultiDatasetsEvaluator gives it its own at the end
        trial.dataset_meta = parts[0].dataset.metainfo
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
        if isinstance(metric, FOR_BOXES):
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
    schedules = runner.cfg.get('param_scheduler') or []
    for schedule in schedules if isinstance(schedules, (list, tuple)) else [schedules]:
        if 'ReduceOnPlateau' in type_name(schedule):  # of which MMEngine would warn, and never reduce
            watched.append((f'`monitor` of {type_name(schedule)}', schedule.get('monitor', 'loss')))
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
