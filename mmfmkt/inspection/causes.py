"""Why a detector does not see the boxes of an annotation file, as far as it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from mmfmkt.common.messages import shorten

from .annotation_file import AnnotationFile


def unusable(content: AnnotationFile) -> np.ndarray:
    """(A,), which boxes MMDetection leaves out: outside of the image, thinner than a pixel, without area, ignored."""
    return np.any([which(content) for which in LEFT_OUT.values()], axis=0)


def outside(content: AnnotationFile) -> np.ndarray:
    images = content.image_of_each
    sizes = np.full((len(images), 2), np.nan)
    sizes[images >= 0] = content.image_sizes[images[images >= 0]]
    start, size = content.boxes[:, :2], content.boxes[:, 2:]
    return ((start + size <= 0) | (start >= sizes)).any(axis=1)


def thin(content: AnnotationFile) -> np.ndarray:
    return np.fmin(*content.boxes[:, 2:].T) < 1


LEFT_OUT: dict[str, Callable[[AnnotationFile], np.ndarray]] = {
    'are no numbers': lambda content: np.isnan(content.boxes).any(axis=1),
    'are thinner than a pixel': thin,
    'are outside of their image': outside,
    'have an `area` of 0': lambda content: content.areas <= 0,
    'are marked with `ignore`': lambda content: content.ignored,
}


def left_out(content: AnnotationFile) -> list[str]:
    """How many boxes MMDetection leaves out for which reason."""
    numbers = {why: int(which(content).sum()) for why, which in LEFT_OUT.items()}
    return [f'{number} {why}' for why, number in numbers.items() if number]


def unknown_ids(content: AnnotationFile) -> list[str]:
    """How many annotations are of images or categories that are not in the file."""
    categories = {number for number, _ in content.categories}
    of_no_image = content.images[content.image_of_each < 0].tolist()
    of_no_category = [label for label in content.labels.tolist() if label not in categories]
    return [
        f'{len(unknown)} annotations are of {kind} that none of its {what} has' + as_text(unknown, ids)
        for kind, what, unknown, ids in (
            ('an `image_id`', 'images', of_no_image, content.image_ids.tolist()),
            ('a `category_id`', 'categories', of_no_category, categories),
        )
        if unknown
    ]


def as_text(unknown: Sequence[object], ids: Iterable[object]) -> str:
    """What to do if ids differ in this alone that one of them is text."""
    alike = next((each for each in ids if str(each) == str(unknown[0])), None)
    return '' if alike is None else f', because {unknown[0]!r} is not {alike!r}: write both as numbers'


def nothing_left(content: AnnotationFile, classes: Sequence[str]) -> list[str]:
    """Everything that may be the reason that a detector sees no box at all."""
    names = [name for _, name in content.categories]
    known = unknown_ids(content)
    if not set(names) & set(classes):
        known.append(
            f'no category has the name of a class: the categories are {shorten(names)}, and the classes '
            f'{shorten(classes)}; set `metainfo=dict(classes=...)` of the dataset'
        )
    if content.crowds.any():
        known.append(f'{int(content.crowds.sum())} are crowds (`iscrowd`)')
    return known + left_out(content)
