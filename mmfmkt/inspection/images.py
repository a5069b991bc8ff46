"""Images: are they there, in one split alone, and as large as the annotation file says?"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Sequence

from mmcv.transforms import LoadImageFromFile
from PIL import Image

from mmfmkt.common.messages import shorten

from .categories import repeats
from .parts import Finding, Part

Sizes = tuple[str, tuple[int, int], tuple[int, int]]  # an image, width and height by the file, and those that it has
ORIENTATION, SIDEWAYS = 0x0112, range(5, 9)  # EXIF's number of it, and what it is where the sides are exchanged
DECODED = 16  # images of a file, evenly over it
HEADERS = 500  # of which the size is read without the image
STATED = 5000  # of which it is asked whether they are empty: on the disk of another machine each takes its time


def check_there(part: Part) -> Iterator[Finding]:
    """Files that are not there or empty, where files are read from a disk; a folder is read once."""
    load = loader_of(part)
    if load is None or not local(part, load):
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
            f'{shorten(missing)}; {remedy_of_missing(missing[0], there)}',
            is_error=is_plain(load) and not load.ignore_empty,
        )
        return
    asked = [part.images[index] for index in evenly(len(part.images), STATED)]
    empty = [path for path in asked if '://' not in path and is_empty(path)]
    if empty:
        yield Finding(
            f'every image of {part.file} must be readable, but {len(empty)} of {len(asked)} files are empty, or '
            f'links that lead nowhere: {shorten(empty)}; were they copied to the end? Copy them anew, or remove them '
            'from the file',
            is_error=is_plain(load) and not load.ignore_empty,
        )


def is_empty(path: str) -> bool:
    try:
        return not os.path.getsize(path)
    except OSError:
        return True


def remedy_of_missing(path: str, there: dict[str, set[str]]) -> str:
    """What helps if a file is not there, from what is in its folder."""
    folder, name = os.path.split(path)
    if '\\' in name:
        return 'write / in the place of \\ in its `file_name`s'
    alike = [each for each in there[folder] if each.lower() == name.lower()]
    if alike:
        return f'{alike[0]} is, with other small and large letters: write its `file_name`s as the files are called'
    return 'set `data_prefix` of the dataset, or remove them from the file'


def check_once(parts: Sequence[Part]) -> Iterator[Finding]:
    """Images that two ids or files of a split stand for: what one has marked is background in the other.

    The same annotation file twice is one that somebody wants to be seen more often.
    """
    files = {getattr(part.dataset, 'ann_file', '') or id(part.dataset): part for part in parts}
    images = [path for part in files.values() for path in part.images if path]
    if repeated := repeats(images):
        yield Finding(
            f'{" and ".join(part.file for part in files.values())}: {len(repeated)} images are there more than once, '
            f'as {repeated[0]}: objects that one entry alone has are background in the others; join them under one id'
        )


def check_apart(part: Part, trained_on: dict[str, str]) -> Iterator[Finding]:
    """Images that a detector has seen in its training, and where, in a split that it is tested on."""
    both = [path for path in part.images if path in trained_on]
    if both:
        where = ' and '.join(sorted({trained_on[path] for path in both}))
        yield Finding(
            f'{part.file}: {len(both)} of {len(part.images)} images of {part.split} are also images of {where}, as '
            f'{both[0]}; detectors are better on what they were trained on'
        )


def check_sizes(part: Part) -> Iterator[Finding]:
    """The sizes of a sample of images: boxes of an image that is turned when it is read are at other places."""
    load = loader_of(part)
    if load is None or not len(part.dataset):
        return
    known = read_sizes(part, load) if is_plain(load) and local(part, load) else decoded_sizes(part, load)
    wrong = [(name, stated, loaded) for name, stated, loaded in known if stated != loaded]
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
        f'{part.file}: {len(wrong)} of {len(known)} images that were looked at have another size than there, as '
        f'{name}, which is {loaded[0]} x {loaded[1]} and not {stated[0]} x {stated[1]}: {remedy}'
    )


def decoded_sizes(part: Part, load: LoadImageFromFile) -> list[Sizes]:
    """Those of some images, as a pipeline loads them."""
    some = [part.dataset.get_data_info(index) for index in evenly(len(part.dataset), DECODED)]
    return [
        (about['img_path'], stated, loaded)
        for about in some
        if (stated := stated_size(about)) and (loaded := loaded_size(about, load))
    ]


def read_sizes(part: Part, load: LoadImageFromFile) -> list[Sizes]:
    """Those of many images, from their headers. Whether images are turned is seen in the first of each format."""
    known, turns = [], {}
    for index in evenly(len(part.dataset), HEADERS):
        about = part.dataset.get_data_info(index)
        stated = stated_size(about)
        if not stated:
            continue
        try:
            with Image.open(about['img_path']) as image:
                size, kind = image.size, image.format
                # looking for it in a PNG that does not begin with it would read the whole of the image
                known_early = kind != 'PNG' or 'exif' in image.info
                turned = known_early and image.getexif().get(ORIENTATION, 1) in SIDEWAYS
        except Exception:  # an image that cannot be read is named when it is its turn
            continue
        if turned and kind not in turns and size[0] != size[1]:  # of a square it cannot be seen
            turns[kind] = loaded_size(about, load) == size[::-1]
        known.append((about['img_path'], stated, size[::-1] if turned and turns.get(kind) else size))
    return known


def evenly(length: int, count: int) -> list[int]:
    """So many indices of a sequence, or all of a shorter one, at equal distances."""
    count = min(length, count)
    return [length * number // count for number in range(count)]


def loader_of(part: Part) -> LoadImageFromFile | None:
    """The transform that reads the images of a part, if it is one of MMCV's."""
    transforms = getattr(getattr(part.dataset, 'pipeline', None), 'transforms', ())
    return next((each for each in transforms if isinstance(each, LoadImageFromFile)), None)


def local(part: Part, load: LoadImageFromFile) -> bool:
    """Are images read from a disk?"""
    return not (load.file_client_args or load.backend_args or getattr(part.dataset, 'backend_args', None))


def is_plain(load: LoadImageFromFile) -> bool:
    """Does it read the very file that the data set names? One of another class may read another one."""
    return type(load) is LoadImageFromFile


def stated_size(about: dict) -> tuple[int, int] | None:
    """Width and height by the annotation file, if they are there."""
    return (about['width'], about['height']) if about.get('width') and about.get('height') else None


def loaded_size(about: dict, load: LoadImageFromFile) -> tuple[int, int] | None:
    """Width and height of an image as it is loaded; None if it cannot be."""
    try:
        loaded = load(copy.deepcopy(about))
    except Exception:  # an image that cannot be read is named when it is its turn
        return None
    return loaded and loaded['img'].shape[1::-1]  # None if it may be empty
