"""How the distance to the teacher falls along the steps, over a validation set."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from .figures import captioned_figure
from .measures import error_map, standardised
from .recording import LevelPath

STATES, ENDPOINTS = ('states', '#2166ac'), ('endpoints', '#d6604d')
NAMES = dict(states='state: where the flow is at t', endpoints='endpoint: what the step from t expects')
CAPTION = (
    "The flow starts at the student's features (t = 1, left) and changes them in {steps} until t = 0 (right), {goal}. "
    'The distance is half the mean squared difference, with every channel first shifted and scaled to mean 0 and '
    'standard deviation 1 over the images of a batch; that is 1 minus the correlation of the two: 0 = the same, 1 = '
    'nothing in common. Lines are means over {images} validation images, bands hold the middle half of them. '
    '{reading}The last state, the output, is the mean of the endpoints.'
)
TAUGHT = dict(
    goal="where they should be like the teacher's",
    reading='Of a flow that helps, the blue line falls from left to right. ',
)
ALONE = dict(goal='its output. There is no teacher (OFM-KT): every step learns from that output', reading='')


class Errors:
    """Collects the distances of states and endpoints to the target, image by image."""

    def __init__(self) -> None:
        self.strides: dict[int, int] = {}
        self.batches: dict[tuple[int, str], list[np.ndarray]] = defaultdict(list)

    def add(self, paths: dict[int, LevelPath]) -> None:
        """Add the images of a batch."""
        for level, path in paths.items():
            self.strides[level], target = path.stride, standardised(path.target)
            for name, features in (('states', path.states), ('endpoints', path.endpoints)):
                self.batches[level, name].append(np.stack([per_image(feature, target) for feature in features]))

    def of(self, level: int, name: str) -> np.ndarray:
        """The distances of all 'states' or 'endpoints' of a level, (steps, images), t = 1 first."""
        return np.concatenate(self.batches[level, name], axis=1)


def per_image(feature: Tensor, target: Tensor) -> np.ndarray:
    """The distance of a feature (B, C, H, W) to a standardised target in each image, (B,)."""
    return error_map(standardised(feature), target).mean((1, 2)).cpu().numpy()


def draw_errors(errors: Errors, taught: bool = True) -> Figure:
    """A chart for each level, all with the same axes.

    Args:
        errors: of all images.
        taught: whether there is a teacher; without one the target is the output of the flow.
    """
    of_first = errors.of(next(iter(errors.strides)), 'endpoints')
    steps, images = of_first.shape
    caption = CAPTION.format(
        steps='one step' if steps == 1 else f'{steps} steps', images=images, **(TAUGHT if taught else ALONE)
    )
    target, without = ('teacher', '') if taught else ('output of the flow', ' (OFM-KT: no teacher)')
    title = f'Distance to the {target} along the steps{without}'
    figure = captioned_figure(max(7.0, 0.8 + 3.4 * len(errors.strides)), 5.2, title, caption)
    grid = figure.subplots(1, len(errors.strides), sharey=True, squeeze=False)[0]
    for axes, (level, stride) in zip(grid, errors.strides.items()):
        axes.set_title(f'level {level}, stride {stride}', fontsize=11)
        for name, colour in (STATES, ENDPOINTS):
            draw_band(axes, errors.of(level, name), steps, dict(color=colour, label=NAMES[name]))
        if np.isnan(errors.of(level, 'states')).all():
            axes.text(0.5, 0.5, 'undefined', transform=axes.transAxes, ha='center')
        axes.set_xlabel('time t')
        axes.invert_xaxis()
    grid[0].set_ylabel(f'distance to the {"teacher" if taught else "output"} (1 - correlation)')
    grid[0].set_ylim(bottom=0)
    grid[-1].legend(fontsize=9)
    return figure


def draw_band(axes: Axes, distances: np.ndarray, steps: int, style: dict[str, str]) -> None:
    """The mean of some distances (K, images) at the first K of the times 1, (N - 1) / N, ..., 0, and their spread.

    Images of which they are not known are left out.
    """
    times = 1 - np.arange(len(distances)) / steps
    known = distances[:, ~np.isnan(distances).any(0)]
    distances = known if known.size else distances
    axes.fill_between(
        times, *np.quantile(distances, (0.25, 0.75), axis=1), color=style['color'], alpha=0.15, linewidth=0
    )
    axes.plot(times, distances.mean(1), marker='o', markersize=5, **style)
    axes.grid(alpha=0.25)
