"""Boxes: are they x, y, width, height in pixels, and what is left of them?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mmfmkt.common.naming import shorten

from .annotation_file import AnnotationFile
from .parts import Finding, Part

FEW = 3  # boxes of which nothing can be said about their format
ODD_SHARE = 0.01  # of the boxes: COCO itself has some that are thinner than a pixel
MANY_CROWDS = 0.5  # of the boxes: COCO has one in a hundred, and Pascal VOC's difficult objects are one in six
LARGE = 200  # pixels: images that are larger than this have objects beyond the first hundred


def check_format(part: Part) -> Iterator[Finding]:
    """Boxes in units of the image or in percent, or given by two corners."""
    content = part.content
    known = known_boxes(content) if content else np.empty((0, 6))
    if len(known) < FEW:
        return
    x, y, width, height, image_width, image_height = known.T
    if np.abs(known[:, :4]).max() <= 1:
        yield Finding(
            f'`bbox` in {part.file} must be x, y, width and height in pixels, but all {len(known)} have numbers of at '
            f'most 1, as {known[0, :4].tolist()}: they are in units of the image; multiply them by its width and '
            'height',
            is_error=True,
        )
        return
    if min(image_width.min(), image_height.min()) > LARGE and max((x + width).max(), (y + height).max()) <= 101:
        yield Finding(
            f'{part.file}: all {len(known)} boxes are in the first 100 pixels of their images: are they in percent? '
            '`bbox` is x, y, width and height in pixels'
        )
        return
    beyond = (x + width > image_width + 1) | (y + height > image_height + 1) | (x < -1) | (y < -1)
    if (width > x).all() and (height > y).all() and beyond.mean() > 0.1 and inside(known).mean() > 0.9:
        yield Finding(
            f'`bbox` in {part.file} must be x, y, width and height, but its {len(known)} boxes look like two corners, '
            f'as {known[0, :4].tolist()}: the last two numbers are always larger than the first two, and '
            f'{int(beyond.sum())} boxes would end outside of their image; write x2 - x1 and y2 - y1 in their place',
            is_error=True,
        )
    elif beyond.mean() > ODD_SHARE:
        yield Finding(f'{part.file}: {int(beyond.sum())} of {len(known)} boxes end outside of their image')


def known_boxes(content: AnnotationFile) -> np.ndarray:
    """(K, 6): boxes that are numbers, and the size of their image, which is known."""
    images = content.image_of_each
    sizes = content.image_sizes[images] if len(content.image_sizes) else np.full((len(images), 2), np.nan)
    both = np.concatenate([content.boxes, sizes], axis=1)
    return both[(images >= 0) & np.isfinite(both).all(axis=1)]


def inside(boxes: np.ndarray) -> np.ndarray:
    """Which boxes are inside their image, if their last two numbers are a corner."""
    return (boxes[:, 2] <= boxes[:, 4] + 1) & (boxes[:, 3] <= boxes[:, 5] + 1)


def check_left(part: Part, more: bool = False) -> Iterator[Finding]:
    """How many boxes of each class a detector sees.

    Args:
        part: what is looked at.
        more: whether other files of the same split have boxes.
    """
    left, classes = part.boxes, part.classes
    if (more or part.split != 'train') and part.content is not None and not len(part.content.boxes):
        return  # images without objects, or whose objects are for others to know
    if not left.total():
        yield Finding(
            f'{part.split} must have boxes, but of {described(part)} none is left for {len(part.dataset)} images'
            f'{reasons(part)}',
            is_error=part.split == 'train',
        )
        return
    absent = [name for label, name in enumerate(classes) if not left[label]]
    if absent:
        verb = 'has' if len(absent) == 1 else 'have'
        yield Finding(f'{part.file}: {shorten(absent)} {verb} no box that a detector sees')
    if part.content is not None:
        lost = unusable(part.content)
        if lost.sum() > ODD_SHARE * len(lost):
            yield Finding(f'{part.file}: {int(lost.sum())} of {len(lost)} boxes are left out{reasons(part)}')
        if part.content.crowds.sum() > MANY_CROWDS * len(lost):
            yield Finding(
                f'{part.file}: {int(part.content.crowds.sum())} of {len(lost)} boxes are crowds (`iscrowd`), which are '
                'neither trained on nor counted; an object of its own has "iscrowd": 0'
            )


def check_repeats(part: Part) -> Iterator[Finding]:
    """The same box twice: it weighs double in a training, and can be found only once in a test."""
    if part.content is None or not len(part.content.boxes):
        return
    content = part.content
    labels = np.unique(content.labels.astype(str), return_inverse=True)[1]
    objects = np.column_stack([content.image_of_each, labels, content.boxes])
    repeated = len(objects) - len(np.unique(objects, axis=0))
    if repeated > ODD_SHARE * len(objects):
        yield Finding(
            f'{part.file}: {repeated} of {len(objects)} boxes are there more than once, with the same class; were two '
            'exports joined?'
        )


def described(part: Part) -> str:
    return part.file if part.content is None else f'the {len(part.content.boxes)} annotations of {part.file}'


def unusable(content: AnnotationFile) -> np.ndarray:
    """(A,), which boxes MMDetection leaves out: outside of the image, thinner than a pixel, without area, ignored."""
    return np.any([left_out(content) for left_out in LEFT_OUT.values()], axis=0)


def outside(content: AnnotationFile) -> np.ndarray:
    images = content.image_of_each
    sizes = np.full((len(images), 2), np.nan)
    sizes[images >= 0] = content.image_sizes[images[images >= 0]]
    start, size = content.boxes[:, :2], content.boxes[:, 2:]
    return ((start + size <= 0) | (start >= sizes)).any(axis=1)


def thin(content: AnnotationFile) -> np.ndarray:
    return np.fmin(*content.boxes[:, 2:].T) < 1


LEFT_OUT = {
    'are thinner than a pixel': thin,
    'are outside of their image': outside,
    'have an `area` of 0': lambda content: content.areas <= 0,
    'are marked with `ignore`': lambda content: content.ignored,
}


def reasons(part: Part) -> str:
    """Why boxes are missing, as far as it is known."""
    if part.content is None:
        return ''
    numbers = {why: int(left_out(part.content).sum()) for why, left_out in LEFT_OUT.items()}
    known = [f'{number} {why}' for why, number in numbers.items() if number]
    if getattr(part.dataset, 'filter_cfg', None):
        known.append(f'`filter_cfg` is {dict(part.dataset.filter_cfg)}')
    return f': {", ".join(known)}' if known else ''
