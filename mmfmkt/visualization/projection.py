"""The paths of single objects from the student to the teacher, in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from torch import Tensor

from .figures import captioned_figure, names_of_users
from .objects import Objects

STUDENT = dict(marker='o', markersize=6, markerfacecolor='white', linestyle='')
OUTPUT = dict(marker='o', markersize=5, linestyle='')
TEACHER = dict(marker='x', markersize=6, markeredgewidth=1.6, linestyle='')
CAPTION = (
    'Each line is one object of {images} validation images: the feature vector at the centre of its box ({channels} '
    'numbers, each channel shifted and scaled to mean 0 and standard deviation 1 over the images of a batch), from the '
    'student (ring) through the {steps} of the flow (line) to its output (dot){teacher} The plane is the one in which '
    'the vectors {of} differ most (principal components); the axes say which share of their variance it shows. '
    '{reading}'
)
TAUGHT = dict(
    teacher=', and what the teacher has there (cross, at the end of the grey line).',
    of='of student and teacher',
    reading='A good flow ends at the crosses; a short grey line is a small error.',
)
ALONE = dict(teacher='. There is no teacher (OFM-KT).', of='of student and output', reading='')


@dataclass(frozen=True)
class Projection:
    """A plane in which some vectors (K, C) differ most.

    Attributes:
        mean: of the vectors, (C,).
        axes: the first two principal components, (2, C).
        explained: the share of the variance along each, (2,).
    """

    mean: Tensor
    axes: Tensor
    explained: Tensor

    def __call__(self, vectors: Tensor) -> Tensor:
        """Vectors (..., C) -> points (..., 2)."""
        return (vectors - self.mean) @ self.axes.T


def fit_projection(vectors: Tensor) -> Projection:
    """The principal components of vectors (K, C) with K and C at least 2.

    Raises:
        ValueError: if there are fewer.
    """
    if min(vectors.shape) < 2:
        raise ValueError(
            f'a projection must be fitted to at least 2 vectors of at least 2 numbers, but got {tuple(vectors.shape)}'
        )
    mean = vectors.mean(0)
    _, deviations, axes = torch.linalg.svd(vectors - mean, full_matrices=False)
    return Projection(mean, axes[:2], (deviations.square() / deviations.square().sum().clamp(min=1e-30))[:2])


@names_of_users()
def draw_projection(objects: Objects, classes: Sequence[str], taught: bool = True) -> Figure:
    """A chart for each level.

    Args:
        objects: at least one.
        classes: the names of the labels.
        taught: whether there is a teacher; without one there is no target to show.
    """
    shown = sorted(set(objects.labels))
    colours = {label: colormaps['tab10'](number) for number, label in enumerate(shown)}
    ways = {level: torch.cat(batches) for level, batches in objects.ways.items()}
    steps, channels = next(iter(ways.values())).shape[1] - 2, next(iter(ways.values())).shape[2]
    caption = CAPTION.format(
        images=objects.images,
        channels=channels,
        steps='one step' if steps == 1 else f'{steps} steps',
        **(TAUGHT if taught else ALONE),
    )
    figure = captioned_figure(
        max(9.0, 4.6 * len(ways)),
        5.8,
        f'The paths of {len(objects.labels)} objects'
        f'{" from the student to the teacher" if taught else " through a flow without a teacher"}',
        caption,
    )
    for axes, (level, way) in zip(figure.subplots(1, len(ways), squeeze=False)[0], ways.items()):
        draw_ways(axes, way, [colours[label] for label in objects.labels], taught)
        axes.set_title(f'level {level}, stride {objects.strides[level]}', fontsize=11)
    marks = [
        Line2D([], [], color='0.3', linewidth=1.5, label='path of an object'),
        Line2D([], [], **STUDENT, markeredgecolor='0.3', label='student'),
        Line2D([], [], **OUTPUT, color='0.3', label='output'),
    ]
    marks += [Line2D([], [], **TEACHER, markeredgecolor='0.3', label='teacher')] if taught else []
    marks += [Line2D([], [], color=colours[label], linewidth=4, label=classes[label]) for label in shown]
    figure.legend(handles=marks, loc='outside right center', fontsize=9.5, frameon=False)
    return figure


def draw_ways(axes: Axes, ways: Tensor, colours: Sequence[tuple], taught: bool) -> None:
    """The ways of the objects of a level, (K, N + 2, C)."""
    projection = fit_projection(torch.cat([ways[:, 0], ways[:, -1]]))
    for points, colour in zip(projection(ways), colours):
        states, target = points[:-1].T.tolist(), points[-2:].T.tolist()
        if taught:
            axes.plot(*target, color='0.65', linewidth=0.8, zorder=1)
            axes.plot(*points[-1:].T.tolist(), **TEACHER, markeredgecolor=colour)
        axes.plot(*states, color=colour, linewidth=1.5)
        axes.plot(*points[:1].T.tolist(), **STUDENT, markeredgecolor=colour)
        axes.plot(*points[-2:-1].T.tolist(), **OUTPUT, color=colour)
    for set_label, share, number in zip(
        (axes.set_xlabel, axes.set_ylabel), projection.explained.tolist(), ('first', 'second')
    ):
        set_label(f'{number} component, {100 * share:.0f} % of the variance', fontsize=9.5)
    axes.set_aspect('equal', adjustable='datalim')
    axes.grid(alpha=0.2)
