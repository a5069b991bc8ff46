"""Boxes: are they x, y, width, height in pixels, and what is left of them?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from mmfmkt.common.messages import shorten

from .annotation_file import AnnotationFile
from .causes import left_out, nothing_left, unusable
from .parts import Finding, Part

FEW = 3  # boxes of which nothing can be said about their format
MOST = 0.9  # of the boxes: a few are odd in another way
UNIT = 1.01  # of an image, with what rounding adds
ODD_SHARE = 0.01  # of the boxes: COCO itself has some that are thinner than a pixel
MANY_CROWDS = 0.5  # of the boxes: COCO has one in a hundred, and Pascal VOC's difficult objects are one in six
BEYOND = 1 / 3  # of the boxes: two corners that are read as x, y, width and height end outside in most of them
MANY = 3_000_000  # boxes of a file that are not compared with each other: COCO has 860,000, Objects365 25 million
LARGE = 200  # pixels: images that are larger than this have objects beyond the first hundred


def check_format(part: Part) -> Iterator[Finding]:
    """Boxes in units of the image or in percent, or given by two corners."""
    content = part.content
    known = known_boxes(content) if content else np.empty((0, 6))
    if len(known) < FEW:
        return
    x, y, width, height, image_width, image_height = known.T
    small = np.abs(known[:, :4]).max(axis=1) <= UNIT
    if small.mean() > MOST:
        yield Finding(
            f'`bbox` in {part.file} must be x, y, width and height in pixels, but {int(small.sum())} of {len(known)} '
            f'have numbers of at most 1, as {known[small][0, :4].tolist()}: they are in units of the image; multiply '
            'them by its width and height',
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
    corners = (width > x) & (height > y)
    if corners.mean() > MOST and beyond.mean() > BEYOND and inside(known).mean() > MOST:
        yield Finding(
            f'`bbox` in {part.file} must be x, y, width and height, but its {len(known)} boxes look like two corners, '
            f'as {known[corners][0, :4].tolist()}: the last two numbers are larger than the first two, and '
            f'{int(beyond.sum())} boxes would end outside of their image; write x2 - x1 and y2 - y1 in their place',
            is_error=True,
        )
    elif beyond.mean() > ODD_SHARE:
        yield Finding(f'{part.file}: {int(beyond.sum())} of {len(known)} boxes end outside of their image')


def check_finite(part: Part) -> Iterator[Finding]:
    """Boxes that are no numbers: MMDetection leaves out those with NaN, and takes some that are infinite."""
    if part.content is None:
        return
    content = part.content
    odd = (content.image_of_each >= 0) & ~content.ignored & ~np.isfinite(content.boxes).all(axis=1)
    if odd.any():
        yield Finding(
            f'{part.file}: {int(odd.sum())} of {len(odd)} boxes are no finite numbers, as '
            f'{content.boxes[odd][0].tolist()} of the annotation {content.annotation_ids[odd][0]}; repair or remove '
            'them'
        )


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
            f'{listed(part, all_causes(part))}',
            is_error=part.split == 'train',
        )
        return
    detected = part.dataset.metainfo.get('thing_classes') or classes  # of panoptic data
    absent = [name for label, name in enumerate(classes) if not left[label] and name in detected]
    if absent:
        verb = 'has' if len(absent) == 1 else 'have'
        yield Finding(f'{part.file}: {shorten(absent)} {verb} no box that a detector sees')
    if part.content is not None:
        lost = unusable(part.content)
        if lost.sum() > ODD_SHARE * len(lost):
            why = listed(part, left_out(part.content))
            yield Finding(f'{part.file}: {int(lost.sum())} of {len(lost)} boxes are left out{why}')
        if part.content.crowds.sum() > MANY_CROWDS * len(lost):
            yield Finding(
                f'{part.file}: {int(part.content.crowds.sum())} of {len(lost)} boxes are crowds (`iscrowd`), which are '
                'neither trained on nor counted; an object of its own has "iscrowd": 0'
            )


def check_repeats(part: Part) -> Iterator[Finding]:
    """The same box twice: it weighs double in a training, and can be found only once in a test."""
    if part.content is None or not 0 < len(part.content.boxes) <= MANY:
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


def all_causes(part: Part) -> list[str]:
    """Why nothing is left of a part."""
    if part.content is not None:
        return nothing_left(part.content, part.classes)
    if part.seen.ignored:
        return [f'{part.seen.ignored} are difficult or crowds, which are neither trained on nor counted']
    return [f'are the names of its objects among the classes, {shorten(part.classes)}?']


def listed(part: Part, known: list[str]) -> str:
    """Why boxes are missing, with what the data set itself says about it."""
    filters = getattr(part.dataset, 'filter_cfg', None)
    known = [*known, f'`filter_cfg` is {dict(filters)}'] if filters else known
    return f': {", ".join(known)}' if known else ''
