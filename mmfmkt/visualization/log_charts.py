"""Charts of training: a metric of several runs, their losses, the steps of a flow."""
from __future__ import annotations

import math
import textwrap
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Callable, Sequence

import matplotlib

from .logs import Curve, RunLog

matplotlib.use('Agg')
from matplotlib import pyplot as plt  # noqa: E402 (the backend is chosen first: there may be no screen)
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter  # noqa: E402

Groups = dict[str, list[Curve]]  # the curves of runs that differ in their seed alone, by their name without it
METRICS = {  # what COCO's metrics are called outside of MMDetection
    'coco/bbox_mAP': 'Box AP', 'coco/bbox_mAP_50': 'Box AP at an IoU of 0.5', 'coco/bbox_mAP_75': 'Box AP at an IoU of 0.75',
    'coco/bbox_mAP_s': 'Box AP of small objects', 'coco/bbox_mAP_m': 'Box AP of medium objects',
    'coco/bbox_mAP_l': 'Box AP of large objects', 'coco/segm_mAP': 'Mask AP'
}
AP = 'AP (average precision): 100 % is every object found in its place and nothing invented.'
SEEDS = ('Runs that differ in their random seed alone share a colour: {each} for each, {mean}, {band} for one standard '
         'deviation.')
LINES = ('a thin line', 'a thick one for their mean where all have a value', 'a band')
ROUNDING = 1e-13  # a squared error in float32 that stands for zero, as that of OFM-KT's output
SMOOTH = 'Curves are smoothed: running medians over a twentieth of the entries of the log, at least 5.'
LOSSES = ("What training minimises, lower is better: the sum of the detector's own losses (finding and naming objects; "
          'comparable between runs of one detector) and of what distillation adds (imitating the teacher). Different '
          'methods have losses on different scales: compare each with itself over time.')
FLOW = [
    "The flow carries the student's features to the teacher's in several steps, at times t from 1 (student) towards 0 (teacher). "
    "Each step predicts the teacher's features by itself; the output is the mean of these predictions. One column for each level "
    'of the feature pyramid, the finest first. Without a teacher (OFM-KT) the mean itself is what the steps are compared with.',
    "Top: distance of each prediction from the teacher's features, lower is better. Middle: the same as a difference to the "
    'mean of all steps, because the lines above may nearly coincide; below 0 is better than the mean.',
    'Bottom: squared error of the output, and ambiguity, that is how much the predictions differ, and by how much taking their '
    'mean lowers the squared error. What is zero, as for a single step, is not drawn.',
]


def draw_logs(runs: Sequence[RunLog], metric: str, folder: Path) -> list[Path]:
    """Draw everything that the logs have something for, and return the files.

    Args:
        runs: at least one, of names that differ.
        metric: a metric of the validations, as `coco/bbox_mAP`.
        folder: where the PNGs are written.

    Raises:
        ValueError: if there were validations, but none with this metric.
    """
    known = {key for run in runs for found in run.validations.values() for key in found.metrics} - {'step', 'time', 'data_time'}
    measured = [run for run in runs if run.metric(metric, by_epoch=False)]
    if known and not measured:
        raise ValueError(f'--metric must be one that a run was validated with, but got {metric}; the logs have '
                         f'{", ".join(sorted(known))}')
    folder.mkdir(parents=True, exist_ok=True)
    files = [draw_metric(runs, metric, folder / 'metric.png')] if measured else []
    files += [draw_losses(runs, folder / 'losses.png')] if any(run.training for run in runs) else []
    return files + [draw_flow(run, folder / f'flow_{run.name.replace("/", "-")}.png') for run in runs if run.flow]


def draw_metric(runs: Sequence[RunLog], metric: str, file: Path) -> Path:
    """A metric over training; if all runs were validated just once, one row for each."""
    by_epoch = all(run.counts_epochs() for run in runs)
    groups = grouped(runs, lambda run: run.metric(metric, by_epoch))
    percent = max(value for members in groups.values() for curve in members for value in curve.values()) <= 1
    groups = {name: [{x: y * (100 if percent else 1) for x, y in curve.items()} for curve in members]
              for name, members in groups.items()}
    what, time = METRICS.get(metric, metric), 'epoch' if by_epoch else 'training iteration'
    value = f'{what} on the validation images{" (%)" if percent else ""}'
    if all(len(curve) == 1 for members in groups.values() for curve in members):
        figure, axes = plt.subplots(figsize=(9, 2.2 + 0.32 * len(groups)), layout='constrained')
        draw_rows(axes, groups, styles(runs))
        axes.set(xlabel=value, title=f'{what} of all runs')
        notes = ['Every run was validated once.', seeds(groups, 'a small dot', 'a large one for their mean', 'a bar')]
    else:
        figure, axes = plt.subplots(figsize=(10, 5.5), layout='constrained')
        draw_curves(axes, groups, styles(runs), dots=20)
        axes.set(xlabel=time, ylabel=value, title=f'{what} of all runs over training')
        axes.xaxis.get_major_locator().set_params(integer=True)
        best_first = {name: f'{name}: {spread(last(groups[name]))}' for name in ranking(groups)}
        add_legend(figure, axes, best_first, title='last value')
        notes = [seeds(groups, *LINES)]
    missing = ', '.join(run.name for run in runs if not run.metric(metric, by_epoch))
    notes = [AP if 'AP' in what.split() else '', *notes, f'Not measured so far: {missing}.' if missing else '']
    return finish(figure, [' '.join(filter(None, notes))], file)


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
    figure, grid = plt.subplots(rows, columns, figsize=(2.5 + 4 * columns, 1.6 + 3.4 * rows), squeeze=False, layout='constrained')
    for axes, (title, groups) in zip(grid.flat, panels.items()):
        draw_curves(axes, groups, styles(runs), dots=1)
        axes.set(title=title, xlabel='training iteration')
        log_scale([axes])
    for axes in grid.flat[len(panels):]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel('loss (log scale)')
    figure.suptitle('Losses of all runs over training', fontsize=13)
    total = panels['Total (loss)']
    add_legend(figure, grid[0, 0], {name: name for name in total}, title=None)
    return finish(figure, [LOSSES, f'{SMOOTH} {seeds(total, *LINES)}'], file)


def draw_flow(run: RunLog, file: Path) -> Path:
    """Three rows for every loss with a flow: distance of each step, how the steps compare, two errors; one column a level."""
    losses = run.flow_levels()
    columns = max(map(len, losses.values()))
    figure, grid = plt.subplots(3 * len(losses), columns, figsize=(3.2 + 3.4 * columns, 2.4 + 6.6 * len(losses)), sharex=True,
                                sharey='row', squeeze=False, layout='constrained')
    for rows, (loss, levels) in zip(grid.reshape(len(losses), 3, columns), losses.items()):
        for axes, level in zip(rows.T, levels):
            draw_level(run, loss, level, axes)
            axes[0].set_title(f'level {level}' + (f' of {loss}' if len(losses) > 1 else ''))
        for axes in rows[:, len(levels):].flat:
            axes.set_visible(False)
        finish_rows(rows[:, :len(levels)])
    for axes in grid[-1]:
        axes.set_xlabel('training iteration')
    figure.suptitle(f'{run.name}: the steps of the flow over training', fontsize=13)
    return finish(figure, [*FLOW, f'{SMOOTH} Pale lines are single entries.'], file)


def draw_level(run: RunLog, loss: str, level: int, axes: Sequence[plt.Axes]) -> None:
    """The three panels of a level."""
    steps = run.flow_steps(loss, level)
    means = {x: fmean(curve[x] for curve in steps.values())
             for x in next(iter(steps.values()), {}) if all(x in curve for curve in steps.values())}  # of drawn N, the largest
    for number, (t, curve) in enumerate(steps.items()):
        colour = plt.cm.viridis(0.9 * number / max(len(steps) - 1, 1))
        draw_smoothed(axes[0], curve, colour, f't = {t:.3g}')
        draw_smoothed(axes[1], {x: 100 * (curve[x] / mean - 1) for x, mean in means.items() if mean}, colour, f't = {t:.3g}')
    for name, colour in (('output_error', '#c44e52'), ('ambiguity', '#4c72b0')):
        curve = {x: y for x, y in run.flow_value(loss, level, name).items() if y > ROUNDING}
        draw_smoothed(axes[2], curve, colour, name.replace('_', ' '))


def finish_rows(rows: Sequence[Sequence[plt.Axes]]) -> None:
    """Scales, labels and legends of the three rows of a loss."""
    for row, label in zip(rows, ('distance of each step\n(log scale)', 'difference to the\nmean of the steps (%)',
                                 'squared error\n(log scale)')):
        row[0].set_ylabel(label)
    for axes in rows[1]:
        axes.axhline(0, color='#888888', linewidth=0.8, zorder=0)
        axes.grid(color='#e6e6e6')
    for row, title in ((rows[0], 'time of the step'), (rows[2], None)):
        log_scale(row)
        row[-1].legend(loc='upper left', bbox_to_anchor=(1.02, 1), title=title, alignment='left', frameon=False)


def draw_smoothed(axes: plt.Axes, curve: Curve, colour: object, label: str) -> None:
    if curve:
        axes.plot(curve.keys(), curve.values(), color=colour, linewidth=0.8, alpha=0.25)
        axes.plot(*zip(*smooth(curve).items()), color=colour, linewidth=1.6, label=label)


def draw_curves(axes: plt.Axes, groups: Groups, style: dict[str, dict], dots: int) -> None:
    """A line for each group, with dots on up to `dots` values; of several seeds their mean, before a band and the single ones."""
    for name, members in groups.items():
        if len(members) > 1:
            for curve in members:
                axes.plot(curve.keys(), curve.values(), marker=marker(curve, dots), markersize=3, linewidth=0.7, alpha=0.45,
                          **style[name])
        mean, deviation = over_seeds(members)
        axes.plot(mean.keys(), mean.values(), marker=marker(mean, dots), markersize=7 if len(mean) == 1 else 4, linewidth=2,
                  label=name, **style[name])
        if len(members) > 1:
            low, high = ([mean[x] + sign * deviation[x] for x in mean] for sign in (-1, 1))
            axes.fill_between(list(mean), low, high, color=style[name]['color'], alpha=0.15, linewidth=0)
    axes.grid(color='#e6e6e6')
    axes.set_axisbelow(True)


def draw_rows(axes: plt.Axes, groups: Groups, style: dict[str, dict]) -> None:
    """A row for each group, the best above; of several seeds their mean, before its deviation and the single ones."""
    best = ranking(groups)
    for row, name in enumerate(best):
        values, colour = last(groups[name]), style[name]['color']
        if len(values) > 1:
            axes.plot(values, [row] * len(values), 'o', color=colour, markersize=4, alpha=0.5, linestyle='none')
        axes.errorbar(fmean(values), row, xerr=stdev(values) if len(values) > 1 else None, fmt='o', color=colour, markersize=8)
    axes.set_yticks(range(len(best)), [f'{name}: {spread(last(groups[name]))}' for name in best])
    axes.set_ylim(len(best) - 0.4, -0.6)
    axes.grid(axis='x', color='#e6e6e6')
    axes.set_axisbelow(True)


def grouped(runs: Sequence[RunLog], curve_of: Callable[[RunLog], Curve]) -> Groups:
    """The curves of the runs that have one."""
    groups: Groups = {}
    for run in runs:
        curve = curve_of(run)
        if curve:
            groups.setdefault(run.group, []).append(curve)
    return groups


def styles(runs: Sequence[RunLog]) -> dict[str, dict]:
    """The colour of each group, the same in all charts; from the eleventh on lines are broken."""
    names = dict.fromkeys(run.group for run in runs)
    return {name: dict(color=plt.cm.tab10(k % 10), linestyle=('-', '--', ':', '-.')[k // 10 % 4]) for k, name in enumerate(names)}


def smooth(curve: Curve) -> Curve:
    """The running median over a twentieth of the entries, at least 5; at the start, where losses fall fast, over fewer."""
    values, half = list(curve.values()), max(5, len(curve) // 20) // 2
    return {x: median(values[max(i - half, 0):i + min(half, i) + 1]) for i, x in enumerate(curve)}


def over_seeds(curves: Sequence[Curve]) -> tuple[Curve, Curve]:
    """Mean and standard deviation where all curves have a value."""
    common = [x for x in curves[0] if all(x in curve for curve in curves)]
    mean = {x: fmean(curve[x] for curve in curves) for x in common}
    return mean, {x: stdev([curve[x] for curve in curves]) if len(curves) > 1 else 0.0 for x in common}


def last(curves: Sequence[Curve]) -> list[float]:
    return [curve[max(curve)] for curve in curves]


def ranking(groups: Groups) -> list[str]:
    """The groups, the best first."""
    return sorted(groups, key=lambda name: -fmean(last(groups[name])))


def spread(values: Sequence[float]) -> str:
    return f'{fmean(values):.1f}' + (f' ± {stdev(values):.1f}' if len(values) > 1 else '')


def marker(curve: Curve, dots: int) -> str:
    """A single value would not be seen without a dot."""
    return 'o' if len(curve) <= dots else ''


def seeds(groups: Groups, each: str, mean: str, band: str) -> str:
    return SEEDS.format(each=each, mean=mean, band=band) if any(len(members) > 1 for members in groups.values()) else ''


def log_scale(row: Sequence[plt.Axes]) -> None:
    """A logarithmic axis for panels that share theirs, where all values allow for it, with its numbers written out."""
    values = [value for axes in row for line in axes.get_lines() for value in line.get_ydata()]
    if values and min(values) > 0:
        row[0].set_yscale('log')
        ratio = max(values) / min(values)
        subs = (1, 1.5, 2, 3, 5, 7) if ratio < 8 else (1, 2, 5) if ratio < 1000 else (1,)
        row[0].yaxis.set_major_locator(MaxNLocator(5) if ratio < 2 else LogLocator(subs=subs))
        row[0].yaxis.set_major_formatter(lambda value, _: f'{value:g}')
        row[0].yaxis.set_minor_formatter(NullFormatter())
    for axes in row:
        axes.grid(color='#e6e6e6')


def add_legend(figure: plt.Figure, axes: plt.Axes, labels: dict[str, str], title: str | None) -> None:
    """A legend outside of the panels: name of a line -> text."""
    lines = {line.get_label(): line for line in axes.get_lines()}
    figure.legend([lines[name] for name in labels], labels.values(), loc='outside right upper', title=title, alignment='left',
                  frameon=False)


def finish(figure: plt.Figure, paragraphs: Sequence[str], file: Path) -> Path:
    """Set the caption below everything else, and write the file."""
    width = int(figure.get_figwidth() * 15)
    caption = '\n'.join(textwrap.fill(paragraph.strip(), width) for paragraph in paragraphs)
    figure.supxlabel(caption, x=0.01, ha='left', fontsize=9, color='#444444', linespacing=1.3)
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    figure.savefig(file, dpi=110)
    plt.close(figure)
    return file
