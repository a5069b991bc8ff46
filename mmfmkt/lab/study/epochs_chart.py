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
from mmfmkt.visualization.figures import captioned_figure, save

from .plan import Study, schedule_of, scheduled
from .results import Results

CAPTION = (
    'Mean over seeds, with a band of one standard deviation. All students of a panel have the same schedule, whose '
    'learning rate falls to almost nothing at its end. Where the curves end is what they are worth.'
)


def draw_epochs(study: Study, results: Results, file: Path) -> bool:
    """AP over the epochs of the runs that the study has chosen, a panel for each schedule; False if nothing is there.

    The teacher is a line.
    """
    schedules = list(dict.fromkeys(schedule_of(name) for name in study.runs))
    shown = [
        schedule for schedule in schedules if any(results.curves(scheduled(name, schedule)) for name in study.curves)
    ]
    if not shown:
        return False
    figure = captioned_figure(4 + 3.5 * len(shown), 4.6, 'Faster, or better in the end?', CAPTION)
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axes, schedule in zip(panels, shown):
        draw_panel(axes, study, results, schedule)
    panels[0].set_ylabel('COCO box AP')
    lines = lines_of(panels)
    panels[-1].legend(lines.values(), lines, loc='lower right', frameon=False)
    save(figure, file)
    return True


def lines_of(panels: Iterable[Axes]) -> dict[str, Artist]:
    """Title -> a line of it, whichever panels it is in."""
    return {title: line for axes in panels for line, title in zip(*axes.get_legend_handles_labels())}


def draw_panel(axes: Axes, study: Study, results: Results, schedule: str) -> None:
    rows = [scheduled(name, schedule) for name in study.curves]
    groups = {study.title_of(row): curves for row in rows if (curves := results.curves(row))}
    style = {study.title_of(row): dict(color=colormaps['tab10'](k)) for k, row in enumerate(rows) if row in study.runs}
    draw_curves(axes, groups, style, dots=20)
    teacher = next((results.teacher_of(row) for row in rows if results.curves(row)), None)
    if teacher and results.has(teacher):
        axes.axhline(
            mean(results.figures(teacher, 'AP').values()),
            color='black',
            linestyle='--',
            linewidth=1,
            label=study.title_of(teacher),
        )
    axes.set_xlabel('epochs')
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[['top', 'right']].set_visible(False)
