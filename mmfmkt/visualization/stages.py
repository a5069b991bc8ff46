"""The stages of one image's features on their way, as maps that can be drawn."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from torch import Tensor

from .measures import error_map, prominence, standardised
from .photos import Photo
from .recording import LevelPath

PATH, ENDPOINTS, TARGET = 'path', 'endpoints', 'target'


@dataclass(frozen=True)
class Stage:
    """A feature on its way: the group of stages that it belongs to, its name, and its two maps (H, W)."""

    group: str
    title: str
    feature: np.ndarray
    error: np.ndarray


def stages_of(path: LevelPath, photo: Photo, index: int, taught: bool) -> list[Stage]:
    """The stages of a level, from the student's feature to the teacher's.

    Args:
        path: of a batch.
        photo: an image of it.
        index: its place in the batch.
        taught: whether the target is a teacher's; the output of a flow without one is not shown twice.
    """
    target = standardised(path.target)

    def stage(group: str, title: str, feature: Tensor) -> Stage:
        feature = standardised(feature)
        maps = (
            without_padding(each[index], photo, path.stride)
            for each in (prominence(feature), error_map(feature, target))
        )
        return Stage(group, title, *maps)

    times, last = [f'{time:.3g}' for time in path.times], len(path.endpoints)
    names = {0: 'student $X^S$', last: 'output $Z_0$'}
    return [
        *(stage(PATH, names.get(k, f'$Z$ at t = {times[k]}'), state) for k, state in enumerate(path.states)),
        *(stage(ENDPOINTS, rf'$\hat X$ from t = {time}', endpoint) for time, endpoint in zip(times, path.endpoints)),
        *([stage(TARGET, 'teacher $X^T$', path.target)] if taught else []),
    ]


def without_padding(values: Tensor, photo: Photo, stride: int) -> np.ndarray:
    """The part of a map (H, W) that lies on the image and not on what fills up its batch."""
    height, width = (ceil(length / stride) for length in photo.sample.img_shape[:2])
    return values[:height, :width].cpu().numpy()
