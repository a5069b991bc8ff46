"""The features of single objects on their way from the student to the teacher."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor

from .measures import standardised
from .photos import Photo
from .recording import LevelPath

MOST_OBJECTS, MOST_CLASSES = 30, 10  # that a chart can show


class Objects:
    """Collects the vectors at the centres of objects, until there are as many as a chart can show.

    Attributes:
        labels: the class of each of the K objects.
        images: how many images they are of.
        ways: level -> for each batch, (K, N + 2, C): the states from t = 1 on, then the target.
        strides: level -> pixels a location.
    """

    def __init__(self) -> None:
        self.labels: list[int] = []
        self.images = 0
        self.ways: dict[int, list[Tensor]] = defaultdict(list)
        self.strides: dict[int, int] = {}

    def add(self, paths: dict[int, LevelPath], photos: Sequence[Photo]) -> None:
        """Add objects of a batch, as long as there is room."""
        centres = []  # index of the image, x, y
        for index, photo in enumerate(photos):
            boxes = [box for box, label in zip(photo.boxes, photo.truth.labels.tolist()) if self.take(label)]
            centres += [(index, *((box[:2] + box[2:]) / 2).tolist()) for box in boxes]
            self.images += bool(boxes)
        for level, path in paths.items() if centres else ():
            self.strides[level] = path.stride
            self.ways[level].append(vectors_at(path, centres))

    def take(self, label: int) -> bool:
        """Note the class of an object, if there is room for it."""
        room = len(self.labels) < MOST_OBJECTS and (label in self.labels or len(set(self.labels)) < MOST_CLASSES)
        self.labels += [label] * room
        return room


def vectors_at(path: LevelPath, centres: Sequence[tuple[int, float, float]]) -> Tensor:
    """The standardised states and target at K places (index of the image, x, y in pixels), (K, N + 2, C)."""
    height, width = path.target.shape[2:]
    images = [index for index, _, _ in centres]
    columns = [min(max(int(x / path.stride), 0), width - 1) for _, x, _ in centres]
    rows = [min(max(int(y / path.stride), 0), height - 1) for _, _, y in centres]
    return torch.stack(
        [standardised(each)[images, :, rows, columns] for each in (*path.states, path.target)], dim=1
    ).cpu()
