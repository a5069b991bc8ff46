"""The comparisons of a study as pictures."""
from __future__ import annotations

import math
from pathlib import Path
from statistics import mean

import matplotlib

from .plan import Study, Table
from .results import Results

matplotlib.use('Agg')
from matplotlib import pyplot as plt  # noqa: E402 (the backend is chosen first: there may be no screen)

COLOURS = {'better': '#1b9e4b', 'worse': '#d1495b', 'open': '#7a7a7a'}


def draw_table(study: Study, table: Table, results: Results, file: Path) -> None:
    """AP of every seed, and beside it the differences to the reference with their intervals."""
    rows = [row for row in table.rows if results.has(row)]
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 1.9 + 0.34 * len(rows)), sharey=True, layout='constrained')
    for number, row in enumerate(rows):
        values = list(results.figures(row, 'AP').values())
        left.plot(values, [number] * len(values), 'o', color='#2f6db5', alpha=0.45, markersize=6, markeredgewidth=0)
        left.plot(mean(values), number, '|', color='black', markersize=14, markeredgewidth=2)
        difference = results.difference(row, table.reference)
        if difference and not math.isinf(difference.low):
            right.plot([difference.low, difference.high], [number] * 2, color=COLOURS[difference.verdict], linewidth=3, alpha=0.7)
        if difference:
            right.plot(difference.mean, number, 'o', color=COLOURS[difference.verdict], markersize=7)
    left.set_yticks(range(len(rows)), [study.title_of(row) for row in rows])
    left.set_ylim(len(rows) - 0.4, -0.6)
    left.set(xlabel='COCO box AP', title='every seed (dot) and their mean (line)')
    right.axvline(0, color='black', linewidth=1)
    right.set(xlabel='AP', title=f'difference to {study.title_of(table.reference)}, 95 % interval')
    for axes in (left, right):
        axes.grid(axis='x', alpha=0.3)
        axes.spines[['top', 'right']].set_visible(False)
    figure.suptitle(table.title)
    figure.supxlabel('Differences are between runs with the same seed. Green: better; red: worse; grey: the interval contains zero, '
                     'so neither can be said.', fontsize=9)
    figure.savefig(file, dpi=110)
    plt.close(figure)


def draw_costs(study: Study, table: Table, results: Results, file: Path) -> None:
    """AP over the time of the training; how large a dot is says what the detector costs at inference."""
    figure, axes = plt.subplots(figsize=(9, 4.5), layout='constrained')
    rows = [row for row in table.rows if results.has(row) and results.relative(row, 'training')]
    for number, row in enumerate(rows):
        inference = mean(results.relative(row, 'gflops'))
        axes.scatter(mean(results.relative(row, 'training')), mean(results.figures(row, 'AP').values()), s=80 * inference**2, alpha=0.75,
                     color=plt.cm.tab20(number % 20), label=f'{study.title_of(row)} ({inference:.2f} x)')
    axes.set(xlabel="training time, times the plain student's", ylabel='COCO box AP, mean over seeds', title='What it costs, and what it gives')
    axes.margins(x=0.12, y=0.12)
    axes.grid(alpha=0.3)
    axes.spines[['top', 'right']].set_visible(False)
    figure.legend(loc='outside right upper', fontsize=9, frameon=False)
    figure.supxlabel("In brackets, and as the size of a dot: multiply-adds at inference, times the plain student's. Best is the upper "
                     'left corner.', fontsize=9)
    figure.savefig(file, dpi=110)
    plt.close(figure)
