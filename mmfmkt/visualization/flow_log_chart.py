"""The steps of a flow over training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .curves import SMOOTH, finish, log_scale, smooth
from .figures import names_of_users
from .logs import Curve, RunLog

ROUNDING = 1e-13  # a squared error in float32 that stands for zero, as that of OFM-KT's output
FLOW = [
    "The flow carries the student's features to the teacher's in several steps, at times t from 1 (student) towards 0 "
    "(teacher). Each step predicts the teacher's features by itself; the output is the mean of these predictions. One "
    'column for each level of the feature pyramid, the finest first. Without a teacher (OFM-KT) the mean itself is '
    'what the steps are compared with.',
    "Top: distance of each prediction from the teacher's features, lower is better. Middle: the same as a difference "
    'to the mean of all steps, because the lines above may nearly coincide; below 0 is better than the mean.',
    'Bottom: squared error of the output, and ambiguity, that is how much the predictions differ, and by how much '
    'taking their mean lowers the squared error. What is zero, as for a single step, is not drawn.',
]


@names_of_users()
def draw_flow(run: RunLog, file: Path) -> Path:
    """Three rows a loss with a flow: distances of the steps, their differences, two errors; a column a level."""
    losses = run.flow_levels()
    columns = max(map(len, losses.values()))
    figure = Figure(figsize=(3.2 + 3.4 * columns, 2.4 + 6.6 * len(losses)), layout='constrained')
    grid = figure.subplots(3 * len(losses), columns, sharex=True, sharey='row', squeeze=False)
    for rows, (loss, levels) in zip(grid.reshape(len(losses), 3, columns), losses.items()):
        for axes, level in zip(rows.T, levels):
            draw_level(run, loss, level, axes)
            axes[0].set_title(f'level {level}' + (f' of {loss}' if len(losses) > 1 else ''))
        for axes in rows[:, len(levels) :].flat:
            axes.set_visible(False)
        finish_rows(rows[:, : len(levels)])
    for axes in grid[-1]:
        axes.set_xlabel('training iteration')
    figure.suptitle(f'{run.name}: the steps of the flow over training', fontsize=13)
    return finish(figure, [*FLOW, f'{SMOOTH} Pale lines are single entries.'], file)


def draw_level(run: RunLog, loss: str, level: int, axes: Sequence[Axes]) -> None:
    """The three panels of a level."""
    steps = run.flow_steps(loss, level)
    counts = Counter(x for curve in steps.values() for x in curve)
    largest = max(counts.values(), default=0)  # of drawn N
    means = {
        x: fmean(curve[x] for curve in steps.values() if x in curve)
        for x, count in sorted(counts.items())
        if count == largest
    }
    for number, (t, curve) in enumerate(steps.items()):
        colour = colormaps['viridis'](0.9 * number / max(len(steps) - 1, 1))
        draw_smoothed(axes[0], curve, colour, f't = {t:.3g}')
        draw_smoothed(
            axes[1],
            {x: 100 * (curve[x] / mean - 1) for x, mean in means.items() if mean and x in curve},
            colour,
            f't = {t:.3g}',
        )
    for name, colour in (('output_error', '#c44e52'), ('ambiguity', '#4c72b0')):
        curve = {x: y for x, y in run.flow_value(loss, level, name).items() if y > ROUNDING}
        draw_smoothed(axes[2], curve, colour, name.replace('_', ' '))


def finish_rows(rows: Sequence[Sequence[Axes]]) -> None:
    """Scales, labels and legends of the three rows of a loss."""
    for row, label in zip(
        rows,
        (
            'distance of each step\n(log scale)',
            'difference to the\nmean of the steps (%)',
            'squared error\n(log scale)',
        ),
    ):
        row[0].set_ylabel(label)
    for axes in rows[1]:
        axes.axhline(0, color='#888888', linewidth=0.8, zorder=0)
        axes.grid(color='#e6e6e6')
    for row, title in ((rows[0], 'time of the step'), (rows[2], None)):
        log_scale(row)
        row[-1].legend(loc='upper left', bbox_to_anchor=(1.02, 1), title=title, alignment='left', frameon=False)


def draw_smoothed(axes: Axes, curve: Curve, colour: object, label: str) -> None:
    if curve:
        axes.plot(curve.keys(), curve.values(), color=colour, linewidth=0.8, alpha=0.25)
        axes.plot(*zip(*smooth(curve).items()), color=colour, linewidth=1.6, label=label)
