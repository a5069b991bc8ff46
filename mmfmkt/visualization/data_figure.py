"""Images of a data set with their boxes, as a detector gets them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from mmengine.structures import InstanceData

from .detections import draw_instances
from .figures import captioned_figure, names_of_users

WIDTH = 2.6  # inches of an image
CAPTION = (
    'Images after the pipeline, with the boxes and the classes that a detector is trained and tested on. Each box '
    'should stand around an object of its class.'
)


@dataclass(frozen=True)
class Seen:
    """An image (H, W, 3) uint8, RGB, and its objects in its pixels."""

    pixels: np.ndarray
    objects: InstanceData


@names_of_users()
def data_figure(seen: Mapping[str, Sequence[Seen]], classes: Sequence[str]) -> Figure:
    """One row a split, with images of it."""
    columns = max(map(len, seen.values()))
    height = 1.1 + sum(
        WIDTH * max(each.pixels.shape[0] / each.pixels.shape[1] for each in images) + 0.3 for images in seen.values()
    )
    figure = captioned_figure(max(WIDTH * columns, 5.5), height, 'What a detector sees', CAPTION)
    grid = figure.subplots(len(seen), columns, squeeze=False)
    for row, (split, images) in zip(grid, seen.items()):
        row[0].set_title(split, fontsize=11, loc='left')
        for axes in row:
            axes.set_axis_off()
        for axes, each in zip(row, images):
            axes.imshow(each.pixels)
            draw_instances(axes, each.objects, None, classes)
    return figure
