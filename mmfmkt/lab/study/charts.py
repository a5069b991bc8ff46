"""The comparisons of a study as pictures."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import mean

from matplotlib import colormaps

from mmfmkt.visualization.figures import captioned_figure, names_of_users, save, wrap

from .plan import Study, Table
from .results import Results

DIFFERENCES = (
    'Differences are between n runs of either kind with the same seeds. Green: better; red: worse; grey: the 95 % '
    'interval contains zero, so neither can be said.'
)
COSTS = (
    "In brackets, and as the size of a dot: multiply-adds at inference, times the plain student's. Best is the upper "
    'left corner: accurate, and cheap to train.'
)
LABEL = 2.7  # inches of a line of a label
AROUND = 2.0  # AP beyond the smallest and the largest difference; intervals of two seeds may go on
COLOURS = {'better': '#1b9e4b', 'worse': '#d1495b', 'open': '#7a7a7a'}


@names_of_users()
def draw_table(study: Study, table: Table, results: Results, file: Path) -> None:
    """AP of every seed, and beside it the differences to the reference with their intervals."""
    rows = [row for row in table.rows if results.has(row)]
    figure = captioned_figure(11, 2.2 + 0.36 * len(rows), table.heading, DIFFERENCES)
    left, right = figure.subplots(1, 2, sharey=True)
    means = [0.0]
    for number, row in enumerate(rows):
        values = list(results.figures(row, 'AP').values())
        left.plot(values, [number] * len(values), 'o', color='#2f6db5', alpha=0.45, markersize=6, markeredgewidth=0)
        left.plot(mean(values), number, '|', color='black', markersize=14, markeredgewidth=2)
        difference = results.difference(row, table.reference)
        if difference and not math.isinf(difference.low):
            right.plot(
                [difference.low, difference.high],
                [number] * 2,
                color=COLOURS[difference.verdict],
                linewidth=3,
                alpha=0.7,
                solid_capstyle='butt',
            )
        if difference:
            right.plot(difference.mean, number, 'o', color=COLOURS[difference.verdict], markersize=7)
            right.annotate(
                f'n = {difference.num_seeds}', (1, number), xycoords=('axes fraction', 'data'), va='center', fontsize=8
            )
            means.append(difference.mean)
    left.set_yticks(range(len(rows)), [wrap(study.title_of(row), LABEL) for row in rows])
    left.set_ylim(len(rows) - 0.4, -0.6)
    left.set_xlabel('COCO box AP')
    left.set_title('every seed (dot), their mean (line)', fontsize=10)
    right.set_xlim(min(means) - AROUND, max(means) + AROUND)
    right.axvline(0, color='black', linewidth=1)
    right.set_xlabel('AP')
    right.set_title(wrap(f'difference to {study.title_of(table.reference)}, 95 % interval', LABEL), fontsize=10)
    for axes in (left, right):
        axes.grid(axis='x', alpha=0.3)
        axes.spines[['top', 'right']].set_visible(False)
    save(figure, file)


@names_of_users()
def draw_costs(study: Study, table: Table, results: Results, file: Path) -> bool:
    """AP over the time of the training; False if that is not known of any.

    How large a dot is says what the detector costs at inference.
    """
    rows = [row for row in table.rows if results.has(row) and results.training(row) and results.inference(row)]
    if not rows:
        return False
    figure = captioned_figure(9, 4.8, 'What it costs, and what it gives', COSTS)
    axes = figure.subplots()
    for number, row in enumerate(rows):
        inference = results.inference(row)
        axes.scatter(
            results.training(row),
            mean(results.figures(row, 'AP').values()),
            s=80 * inference**2,
            alpha=0.75,
            color=colormaps['tab20'](number % 20),
            label=f'{study.title_of(row)} ({inference:.2f} x)',
        )
    axes.set(xlabel="training time, times the plain student's", ylabel='COCO box AP, mean over seeds')
    axes.margins(x=0.12, y=0.12)
    axes.grid(alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)
    for handle in figure.legend(loc='outside right upper', fontsize=9, frameon=False).legend_handles:
        handle.set_sizes([60])
    save(figure, file)
    return True
