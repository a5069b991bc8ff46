"""Curves of several runs in one panel: what colour they have, what they are smoothed to, what stands below."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, median, stdev

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

from mmfmkt.common.spread import spread

from .figures import CAPTION_SIZE, save, wrap
from .logs import Curve, RunLog

Groups = dict[str, list[Curve]]  # the curves of runs that differ in their seed alone, by their name without it
SEEDS = (
    'Runs that differ in their random seed alone share a colour: {each} for each, {mean}, {band} for one standard '
    'deviation.'
)
SMOOTH = 'Curves are smoothed: running medians over a twentieth of the entries of the log, at least 5.'


def draw_curves(axes: Axes, groups: Groups, style: dict[str, dict], dots: int) -> None:
    """A line for each group, with dots on up to `dots` values; for seeds their mean, a band and the single ones."""
    for name, members in groups.items():
        if len(members) > 1:
            for curve in members:
                axes.plot(
                    curve.keys(),
                    curve.values(),
                    marker=marker(curve, dots),
                    markersize=3,
                    linewidth=0.7,
                    alpha=0.45,
                    **style[name],
                )
        mean, deviation = over_seeds(members)
        axes.plot(
            mean.keys(),
            mean.values(),
            marker=marker(mean, dots),
            markersize=7 if len(mean) == 1 else 4,
            linewidth=2,
            label=name,
            **style[name],
        )
        if len(members) > 1:
            low, high = ([mean[x] + sign * deviation[x] for x in mean] for sign in (-1, 1))
            axes.fill_between(list(mean), low, high, color=style[name]['color'], alpha=0.15, linewidth=0)
    axes.grid(color='#e6e6e6')
    axes.set_axisbelow(True)


def draw_rows(axes: Axes, groups: Groups, style: dict[str, dict]) -> None:
    """A row for each group, the best above; of several seeds their mean, before its deviation and the single ones."""
    best = ranking(groups)
    for row, name in enumerate(best):
        values, colour = last(groups[name]), style[name]['color']
        if len(values) > 1:
            axes.plot(values, [row] * len(values), 'o', color=colour, markersize=4, alpha=0.5, linestyle='none')
        axes.errorbar(
            fmean(values), row, xerr=stdev(values) if len(values) > 1 else None, fmt='o', color=colour, markersize=8
        )
    axes.set_yticks(range(len(best)), [f'{name}: {spread(last(groups[name]), 1)}' for name in best])
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
    return {
        name: dict(color=colormaps['tab10'](k % 10), linestyle=('-', '--', ':', '-.')[k // 10 % 4])
        for k, name in enumerate(names)
    }


def smooth(curve: Curve) -> Curve:
    """The running median over a twentieth of the entries, at least 5; at the start, where losses fall, over fewer."""
    values, half = list(curve.values()), max(5, len(curve) // 20) // 2
    return {x: median(values[max(i - half, 0) : i + min(half, i) + 1]) for i, x in enumerate(curve)}


def over_seeds(curves: Sequence[Curve]) -> tuple[Curve, Curve]:
    """Mean and standard deviation where all curves have a value."""
    common = [x for x in curves[0] if all(x in curve for curve in curves)]
    mean = {x: fmean(curve[x] for curve in curves) for x in common}
    return mean, {x: stdev([curve[x] for curve in curves]) if len(curves) > 1 else 0.0 for x in common}


def last_common(curves: Sequence[Curve]) -> int | None:
    """The last place where all curves have a value."""
    return max(set.intersection(*map(set, curves)), default=None)


def last(curves: Sequence[Curve]) -> list[float]:
    """The values there; if there is no such place, each curve's own last."""
    x = last_common(curves)
    return [curve[max(curve) if x is None else x] for curve in curves]


def ends(groups: Groups, unit: str) -> dict[str, str]:
    """Where the last values of each group are, in brackets, if that is not the same for all."""
    places = {name: last_common(members) for name, members in groups.items()}
    if len(set(places.values())) == 1 and None not in places.values():
        return dict.fromkeys(groups, '')
    return {name: f' (different {unit}s)' if x is None else f' ({unit} {x})' for name, x in places.items()}


def ranking(groups: Groups) -> list[str]:
    """The groups, the best first."""
    return sorted(groups, key=lambda name: -fmean(last(groups[name])))


def marker(curve: Curve, dots: int) -> str:
    """A single value would not be seen without a dot."""
    return 'o' if len(curve) <= dots else ''


def seeds(groups: Groups, each: str, mean: str, band: str) -> str:
    return SEEDS.format(each=each, mean=mean, band=band) if any(len(members) > 1 for members in groups.values()) else ''


def log_scale(row: Sequence[Axes]) -> None:
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


def add_legend(figure: Figure, axes: Axes, labels: dict[str, str], title: str | None) -> None:
    """A legend outside of the panels: name of a line -> text."""
    lines = {line.get_label(): line for line in axes.get_lines()}
    figure.legend(
        [lines[name] for name in labels],
        labels.values(),
        loc='outside right upper',
        title=title,
        alignment='left',
        frameon=False,
    )


def finish(figure: Figure, paragraphs: Sequence[str], file: Path) -> Path:
    """Set the caption below everything else, and write the file."""
    caption = wrap('\n'.join(paragraph.strip() for paragraph in paragraphs), figure.get_figwidth())
    figure.supxlabel(caption, x=0.01, ha='left', fontsize=CAPTION_SIZE, linespacing=1.3)
    figure.get_layout_engine().set(w_pad=0.1, h_pad=0.1)
    return save(figure, file)
