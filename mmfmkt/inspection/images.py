"""Images: are they there, in one split alone, and as large as the annotation file says?"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator

from mmcv.transforms import LoadImageFromFile

from mmfmkt.common.naming import shorten

from .parts import Finding, Part

LOOKED_AT = 16  # images of a file, evenly over it


def check_there(part: Part) -> Iterator[Finding]:
    """Files that are not there, where files are read from a disk; a folder is read once."""
    load = loader_of(part)
    if load is None or load.file_client_args or load.backend_args or getattr(part.dataset, 'backend_args', None):
        return
    there: dict[str, set[str]] = {}
    missing = []
    for path in part.images:
        folder, name = os.path.split(path)
        if folder not in there:
            there[folder] = set(os.listdir(folder)) if os.path.isdir(folder) else set()
        if name not in there[folder] and '://' not in path and not os.path.exists(path):
            missing.append(path)
    if missing:
        yield Finding(
            f'every image of {part.file} must be there, but {len(missing)} of {len(part.images)} are not: '
            f'{shorten(missing)}; set `data_prefix` of the dataset, or remove them from the file',
            is_error=not load.ignore_empty,
        )


def check_apart(part: Part, trained_on: set[str]) -> Iterator[Finding]:
    """Images that a detector has seen in its training, in a split that it is tested on."""
    both = [path for path in part.images if path in trained_on]
    if both:
        yield Finding(
            f'{part.file}: {len(both)} of {len(part.images)} images of {part.split} are also images of train, as '
            f'{both[0]}; detectors are better on what they were trained on'
        )


def check_sizes(part: Part) -> Iterator[Finding]:
    """The sizes of a sample of images: boxes of an image that is turned when it is read are at other places."""
    load = loader_of(part)
    if load is None or not len(part.dataset):
        return
    pairs = [
        pair
        for index in evenly(len(part.dataset), LOOKED_AT)
        if (pair := sizes(part.dataset.get_data_info(index), load))
    ]
    wrong = [(name, stated, loaded) for name, stated, loaded in pairs if stated != loaded]
    if not wrong:
        return
    name, stated, loaded = wrong[0]
    turned = all(stated == loaded[::-1] for _, stated, loaded in wrong)
    remedy = (
        'they are turned by the orientation in their EXIF data, or width and height are exchanged in the file; turn '
        "the images themselves, or load them with color_type='color_ignore_orientation' if boxes are for the image as "
        'it is stored'
        if turned
        else 'write the sizes of the images into the file'
    )
    yield Finding(
        f'{part.file}: {len(wrong)} of {len(pairs)} images that were looked at have another size than there, as '
        f'{name}, which is {loaded[0]} x {loaded[1]} and not {stated[0]} x {stated[1]}: {remedy}'
    )


def evenly(length: int, count: int) -> list[int]:
    """So many indices of a sequence, or all of a shorter one, at equal distances."""
    count = min(length, count)
    return [length * number // count for number in range(count)]


def loader_of(part: Part) -> LoadImageFromFile | None:
    """The transform that reads the images of a part, if it is one of MMCV's."""
    transforms = getattr(getattr(part.dataset, 'pipeline', None), 'transforms', ())
    return next((each for each in transforms if isinstance(each, LoadImageFromFile)), None)


def sizes(about: dict, load: LoadImageFromFile) -> tuple[str, tuple[int, int], tuple[int, int]] | None:
    """The name of an image, its width and height by the file, and those that it has; None if one is not known."""
    if not about.get('width') or not about.get('height'):
        return None
    try:
        loaded = load(copy.deepcopy(about))
    except Exception:  # an image that cannot be read is named when it is its turn
        return None
    if loaded is None:  # it may be empty
        return None
    height, width = loaded['img'].shape[:2]
    return about['img_path'], (about['width'], about['height']), (width, height)
