"""AP while the students are trained."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import mean

from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mmfmkt.visualization.curves import draw_curves
from mmfmkt.visualization.figures import captioned_figure, names_of_users, save

from .plan import Study, method_of, schedule_of, scheduled
from .results import Results

CAPTION = (
    'Mean over seeds, with a band of one standard deviation. All students of a panel have the same schedule. Where the '
    'curves end is what they are worth.'
)


@names_of_users()
def draw_epochs(study: Study, results: Results, file: Path) -> bool:
    """AP over the epochs of the runs that the study has chosen, a panel for each schedule; False if nothing is there.

    The teacher is a line.
    """
    schedules = dict.fromkeys(schedule_of(name) for name in study.runs)
    shown = [rows for schedule in schedules if (rows := measured(study, results, schedule))]
    if not shown:
        return False
    figure = captioned_figure(4 + 3.5 * len(shown), 4.6, 'Faster, or better in the end?', CAPTION)
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axes, rows in zip(panels, shown):
        draw_panel(axes, study, results, rows)
    panels[0].set_ylabel('COCO box AP')
    lines = lines_of(panels)
    panels[-1].legend(lines.values(), lines, loc='lower right', frameon=False)
    save(figure, file)
    return True


def lines_of(panels: Iterable[Axes]) -> dict[str, Artist]:
    """Title -> a line of it, whichever panels it is in."""
    return {title: line for axes in panels for line, title in zip(*axes.get_legend_handles_labels())}


def measured(study: Study, results: Results, schedule: str) -> list[str]:
    """The runs of a schedule that were measured on their way; results may have others, of a study that was larger."""
    rows = [scheduled(name, schedule) for name in study.curves]
    return [row for row in rows if row in study.runs and results.curves(row)]


def draw_panel(axes: Axes, study: Study, results: Results, rows: list[str]) -> None:
    groups = {study.title_of(row): results.curves(row) for row in rows}
    colours = {row: colormaps['tab10'](study.curves.index(method_of(row))) for row in rows}
    draw_curves(axes, groups, {study.title_of(row): dict(color=colour) for row, colour in colours.items()}, dots=20)
    teacher = results.teacher_of(rows[0])
    if teacher and results.has(teacher):
        axes.axhline(
            mean(results.figures(teacher, 'AP').values()),
            color='black',
            linestyle='--',
            linewidth=1,
            label=study.title_of(teacher),
        )
    axes.set_xlabel('iterations' if any(map(results.counts_iterations, rows)) else 'epochs')
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[['top', 'right']].set_visible(False)
