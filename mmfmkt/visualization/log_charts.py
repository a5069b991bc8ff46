"""Charts of training: a metric of several runs, and their losses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from mmfmkt.common.spread import spread

from .curves import (
    SMOOTH,
    add_legend,
    draw_curves,
    draw_rows,
    ends,
    finish,
    grouped,
    last,
    log_scale,
    ranking,
    seeds,
    smooth,
    styles,
)
from .figures import names_of_users
from .flow_log_chart import draw_flow
from .logs import RunLog

METRICS = {  # what COCO's metrics are called outside of MMDetection
    'coco/bbox_mAP': 'Box AP',
    'coco/bbox_mAP_50': 'Box AP at an IoU of 0.5',
    'coco/bbox_mAP_75': 'Box AP at an IoU of 0.75',
    'coco/bbox_mAP_s': 'Box AP of small objects',
    'coco/bbox_mAP_m': 'Box AP of medium objects',
    'coco/bbox_mAP_l': 'Box AP of large objects',
    'coco/segm_mAP': 'Mask AP',
}
AP = 'AP (average precision): 100 % is every object found in its place and nothing invented.'
LINES = ('a thin line', 'a thick one for their mean where all have a value', 'a band')
LOSSES = (
    "What training minimises, lower is better: the sum of the detector's own losses (finding and naming objects; "
    'comparable between runs of one detector) and of what distillation adds (imitating the teacher). Different '
    'methods have losses on different scales: compare each with itself over time.'
)


def draw_logs(runs: Sequence[RunLog], metric: str, folder: Path) -> list[Path]:
    """Draw everything that the logs have something for, and return the files.

    Args:
        runs: at least one, of names that differ.
        metric: a metric of the validations, as `coco/bbox_mAP`.
        folder: where the PNGs are written.

    Raises:
        ValueError: if there were validations, but none with this metric.
    """
    known = {key for run in runs for found in run.validations.values() for key in found.metrics} - {
        'step',
        'time',
        'data_time',
    }
    if known and metric not in known:
        raise ValueError(
            f'--metric must be one that a run was validated with, but got {metric}; the logs have '
            f'{", ".join(sorted(known))}'
        )
    folder.mkdir(parents=True, exist_ok=True)
    measured = [run for run in runs if run.metric(metric, by_epoch=False)]  # not if there were no objects for it
    files = [draw_metric(runs, metric, folder / 'metric.png')] if measured else []
    files += [draw_losses(runs, folder / 'losses.png')] if any(run.training for run in runs) else []
    flows = [run for run in runs if run.flow_levels()]
    return files + [draw_flow(run, folder / f'flow_{run.name.replace("/", "-")}.png') for run in flows]


@names_of_users()
def draw_metric(runs: Sequence[RunLog], metric: str, file: Path) -> Path:
    """A metric over training; if all runs were validated just once, one row for each."""
    by_epoch = all(run.counts_epochs() for run in runs)
    groups = grouped(runs, lambda run: run.metric(metric, by_epoch))
    percent = max(value for members in groups.values() for curve in members for value in curve.values()) <= 1
    groups = {
        name: [{x: y * (100 if percent else 1) for x, y in curve.items()} for curve in members]
        for name, members in groups.items()
    }
    what, time = METRICS.get(metric, metric), 'epoch' if by_epoch else 'training iteration'
    value = f'{what} on the validation images{" (%)" if percent else ""}'
    if all(len(curve) == 1 for members in groups.values() for curve in members):
        figure = Figure(figsize=(9, 2.2 + 0.32 * len(groups)), layout='constrained')
        axes = figure.subplots()
        draw_rows(axes, groups, styles(runs))
        axes.set(xlabel=value, title=f'{what} of all runs')
        notes = ['Every run was validated once.', seeds(groups, 'a small dot', 'a large one for their mean', 'a bar')]
    else:
        figure = Figure(figsize=(10, 5.5), layout='constrained')
        axes = figure.subplots()
        draw_curves(axes, groups, styles(runs), dots=20)
        axes.set(xlabel=time, ylabel=value, title=f'{what} of all runs over training')
        axes.xaxis.get_major_locator().set_params(integer=True)
        where = ends(groups, 'epoch' if by_epoch else 'iteration')
        best_first = {name: f'{name}: {spread(last(groups[name]), 1)}{where[name]}' for name in ranking(groups)}
        add_legend(figure, axes, best_first, title='last value')
        notes = [seeds(groups, *LINES)]
    missing = ', '.join(run.name for run in runs if not run.metric(metric, by_epoch))
    notes = [AP if 'AP' in what.split() else '', *notes, f'Not measured so far: {missing}.' if missing else '']
    return finish(figure, [' '.join(filter(None, notes))], file)


@names_of_users()
def draw_losses(runs: Sequence[RunLog], file: Path) -> Path:
    """One panel for the total, for the detector's own losses, and for every loss of distillation."""
    names = list(dict.fromkeys(name for run in runs for name in run.loss_names() if name.startswith('distill.')))
    panels = {'Total (loss)': grouped(runs, lambda run: smooth(run.loss('loss')))}
    if names:
        panels["The detector's own losses"] = grouped(runs, lambda run: smooth(run.task_loss()))
    for name in names:
        panels[f'Distillation ({name})'] = grouped(runs, lambda run: smooth(run.loss(name)))
    columns = 2 if len(panels) == 4 else min(len(panels), 3)
    rows = math.ceil(len(panels) / columns)
    figure = Figure(figsize=(2.5 + 4 * columns, 1.6 + 3.4 * rows), layout='constrained')
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, (title, groups) in zip(grid.flat, panels.items()):
        draw_curves(axes, groups, styles(runs), dots=1)
        axes.set(title=title, xlabel='training iteration')
        log_scale([axes])
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel('loss (log scale)')
    figure.suptitle('Losses of all runs over training', fontsize=13)
    total = panels['Total (loss)']
    add_legend(figure, grid[0, 0], {name: name for name in total}, title=None)
    return finish(figure, [LOSSES, f'{SMOOTH} {seeds(total, *LINES)}'], file)
