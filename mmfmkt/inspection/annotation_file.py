"""A COCO annotation file as it is, before MMDetection leaves out what it does not use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from mmdet.datasets import BaseDetDataset, CocoDataset

from mmfmkt.compat import replaced


@dataclass(frozen=True)
class AnnotationFile:
    """What is looked at of a file with I images and A annotations, in the order of the file.

    Attributes:
        categories: (id, name) of every category.
        image_ids: (I,), of numbers or of text.
        file_names: (I,), None where there is none.
        image_sizes: (I, 2), width and height; NaN where there is none.
        annotation_ids: (A,).
        images: (A,), the `image_id` of every annotation.
        labels: (A,), its `category_id`.
        boxes: (A, 4), its `bbox`: x, y, width, height; NaN where that is not four numbers.
        areas: (A,), its `area`; NaN where that is no number.
        crowds: (A,), whether it stands for a group of objects.
        ignored: (A,), whether MMDetection is told to leave it out.
    """

    categories: tuple[tuple[Any, str], ...]
    image_ids: np.ndarray
    file_names: np.ndarray
    image_sizes: np.ndarray
    annotation_ids: np.ndarray
    images: np.ndarray
    labels: np.ndarray
    boxes: np.ndarray
    areas: np.ndarray
    crowds: np.ndarray
    ignored: np.ndarray

    @classmethod
    def of(cls, content: dict) -> AnnotationFile:
        """The facts of what a file contains. What it lacks is no error here; MMDetection names that itself."""
        images, annotations = content.get('images', ()), content.get('annotations', ())
        return cls(
            tuple((category.get('id'), category.get('name')) for category in content.get('categories', ())),
            values(images, 'id'),
            values(images, 'file_name'),
            rows([(image.get('width'), image.get('height')) for image in images], 2),
            values(annotations, 'id'),
            values(annotations, 'image_id'),
            values(annotations, 'category_id'),
            rows([annotation.get('bbox') for annotation in annotations], 4),
            rows([[annotation.get('area')] for annotation in annotations], 1)[:, 0],
            values(annotations, 'iscrowd').astype(bool),
            values(annotations, 'ignore').astype(bool),
        )

    @cached_property
    def image_of_each(self) -> np.ndarray:
        """(A,), the index of the image of every annotation; -1 where there is no such image."""
        places = {image: index for index, image in enumerate(self.image_ids.tolist())}
        return np.array([places.get(image, -1) for image in self.images.tolist()], dtype=int)


def values(entries: Iterable[dict], key: str) -> np.ndarray:
    """The value of every entry, as it stands in the file."""
    return np.array([entry.get(key) for entry in entries], dtype=object)


def rows(entries: Iterable[Any], length: int) -> np.ndarray:
    """An array of as many columns, with NaN in the rows of those that are not so many numbers."""
    return np.array([numbers(entry, length) for entry in entries], dtype=float).reshape(-1, length)


def numbers(entry: Any, length: int) -> list[float]:
    fits = isinstance(entry, (list, tuple)) and len(entry) == length
    if not fits or not all(isinstance(value, (int, float)) for value in entry):
        return [np.nan] * length
    return list(entry)


@contextmanager
def remembering() -> Iterator[dict[str, AnnotationFile]]:
    """While data sets are built, keep what is in their files: `ann_file` -> facts, filled as they are read.

    A file of COCO's size takes half a minute to read, and MMDetection keeps nothing of what it leaves out. The class
    that reads it is an attribute of `CocoDataset` and of some of its subclasses, of which this puts a subclass in its
    place. What it is given may be a copy of a file that is elsewhere, and so a data set tells which it begins to read.
    """
    files: dict[str, AnnotationFile] = {}
    read: list[str] = []
    reader: Any = CocoDataset.COCOAPI
    full_init = BaseDetDataset.full_init

    class Remembers(reader):
        def __init__(self, annotation_file: str | None = None) -> None:
            super().__init__(annotation_file)
            files[read[-1] if read else str(annotation_file)] = AnnotationFile.of(self.dataset)

    def telling(dataset: BaseDetDataset) -> None:
        read.append(str(dataset.ann_file))
        full_init(dataset)
        read.pop()

    with ExitStack() as stack:
        stack.enter_context(replaced(BaseDetDataset, 'full_init', telling))
        for kind in (CocoDataset, *subclasses(CocoDataset)):
            if vars(kind).get('COCOAPI') is reader:
                stack.enter_context(replaced(kind, 'COCOAPI', Remembers))
        yield files


def subclasses(kind: Any) -> Iterator[Any]:
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)
