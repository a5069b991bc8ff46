"""From Pascal VOC, an XML file for each image, to COCO, a JSON file for each split."""

import argparse
import json
import math
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from tqdm import tqdm

from mmfmkt.common.files import IMAGES, write_whole

SPLITS = ('train', 'val', 'test')
IMAGE_FOLDER = 'JPEGImages'


def convert(args: argparse.Namespace) -> list[Path]:
    """Write `OUT/annotations/SPLIT.json` and copy the images to `OUT/SPLIT/`, in folders as they are in.

    Returns:
        The JSON files.

    Raises:
        FileNotFoundError: if a list, an XML file or an image is not there.
        ValueError: if an image is in two splits, a split has none, or a file is no XML, has no size, or an object that
            is not complete or of a class that is not named.
    """
    root, out = Path(args.voc), Path(args.out)
    names = {split: names_of(root, split, getattr(args, split)) for split in SPLITS if getattr(args, split)}
    check_apart(names)
    trees = {split: [(name, parse(root, name)) for name in of_split] for split, of_split in names.items()}
    classes = args.classes or sorted(
        {name_of(found) or '' for each in trees.values() for _, tree in each for found in tree.iter('object')}
    )
    written = []
    for split, of_split in trees.items():
        files = [image_file(root, name, tree) for name, tree in of_split]
        for file in tqdm(files, desc=split):
            (out / split / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / IMAGE_FOLDER / file, out / split / file)
        content = coco([(file.as_posix(), tree) for file, (_, tree) in zip(files, of_split)], classes)
        told = Counter(classes[box['category_id'] - 1] for box in content['annotations'])
        print(f'{split}: {len(files)} images; ' + ', '.join(f'{name}: {told[name]}' for name in classes))
        left_out = sum(len(list(tree.iter('object'))) for _, tree in of_split) - len(content['annotations'])
        if left_out:
            print(f'{split}: {left_out} objects are left out, because their boxes have no area')
        written.append(out / 'annotations' / f'{split}.json')
        write_whole(written[-1], json.dumps(content))
    return written


def names_of(root: Path, split: str, lists: Sequence[str]) -> list[str]:
    """The names of images in lists of `ImageSets/Main`, each once.

    A list of one class has a second column, -1 where an image has no object of that class. The image is one of the
    split nonetheless.
    """
    files = [root / 'ImageSets/Main' / f'{each}.txt' for each in lists]
    lines = [line for file in files for line in file.read_text('utf-8-sig').splitlines()]
    named = [line.split()[0] for line in lines if line.strip()]
    if not named:
        raise ValueError(f'--{split} must name lists of images, but there is none in {" and ".join(map(str, files))}')
    if twice := sum(count > 1 for count in Counter(named).values()):
        print(f'{split}: {twice} images are named more than once, and taken once')
    return list(dict.fromkeys(named))


def check_apart(names: dict[str, list[str]]) -> None:
    """Raise a ValueError if an image is in two splits, where it would be trained on and tested on."""
    for split, of_split in names.items():
        for other, of_other in names.items():
            both = set(of_split) & set(of_other)
            if split < other and both:
                raise ValueError(
                    f'an image must be in one split, but {len(both)} are in {split} and {other}, as {min(both)}; give '
                    'each list to one of them'
                )


def parse(root: Path, name: str) -> ElementTree.Element:
    file = root / 'Annotations' / f'{name}.xml'
    try:
        return ElementTree.parse(file).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f'{file} must be an XML file, but it cannot be read: {error}') from error


def image_file(root: Path, name: str, tree: ElementTree.Element) -> Path:
    """The image of an XML file, which has its name, or the one that it states; below the folder of images."""
    folder = root / IMAGE_FOLDER
    files = [f'{name}{suffix}' for suffix in (*IMAGES, *map(str.upper, IMAGES))]
    stated = Path((tree.findtext('filename') or name).strip())
    files.append(stated.name if stated.is_absolute() or '..' in stated.parts else str(stated))
    for file in files:
        if (folder / file).exists():
            return Path(file)
    raise FileNotFoundError(f'{root}/Annotations/{name}.xml must have an image, but {folder / files[0]} is not there')


def name_of(found: ElementTree.Element) -> str | None:
    """The class of an object."""
    name = found.findtext('name')
    return name and name.strip()


def coco(images: Sequence[tuple[str, ElementTree.Element]], classes: Sequence[str]) -> dict:
    """What a JSON file of COCO contains. Ids are counted from 1; pixels, from 1 in VOC, are counted from 0.

    Objects that VOC calls difficult are crowds here: not trained on, and neither counted nor missed in a test. Those
    whose box has no area are left out.
    """
    content: dict[str, list] = dict(images=[], annotations=[], categories=[])
    content['categories'] = [dict(id=number, name=name) for number, name in enumerate(classes, 1)]
    for number, (file, tree) in enumerate(images, 1):
        width, height = size_of(tree, file)
        content['images'].append(dict(id=number, file_name=file, width=width, height=height))
        for found in tree.iter('object'):
            name = name_of(found)
            if name not in classes:
                raise ValueError(f'--classes must name every class, but {file} has an object {name!r}')
            box = box_of(found, file)
            if min(box[2:]) <= 0:
                continue
            content['annotations'].append(
                dict(
                    id=len(content['annotations']) + 1,
                    image_id=number,
                    category_id=classes.index(name) + 1,
                    bbox=box,
                    area=box[2] * box[3],
                    iscrowd=int((found.findtext('difficult') or '').strip() == '1'),  # or 'Unspecified'
                )
            )
    return content


def size_of(tree: ElementTree.Element, file: str) -> tuple[int, int]:
    """Width and height of an image."""
    sides = [tree.findtext(f'size/{side}') for side in ('width', 'height')]
    try:
        width, height = (int(float(side or 0)) for side in sides)
    except ValueError:
        width = height = 0
    if not width or not height:
        raise ValueError(f'the XML file of {file} must state the size of the image, but it has {sides}')
    return width, height


def box_of(found: ElementTree.Element, file: str) -> list[float]:
    """x, y, width and height of an object in pixels."""
    edges = [found.findtext(f'bndbox/{edge}') for edge in ('xmin', 'ymin', 'xmax', 'ymax')]
    try:
        left, top, right, bottom = (float(edge or '') for edge in edges)
        if not math.isfinite(left + top + right + bottom):
            raise ValueError('not finite')
    except (TypeError, ValueError) as error:
        raise ValueError(f'an object must have xmin, ymin, xmax and ymax, but in {file} one has {edges}') from error
    return [left - 1, top - 1, right - left, bottom - top]
