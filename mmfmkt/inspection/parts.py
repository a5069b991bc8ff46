"""The data sets of a training without their wrappers, and what is found in them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from mmfmkt.common.datasets import DataSet, wrapped_by

from .annotation_file import AnnotationFile


@dataclass(frozen=True)
class Finding:
    """Something that is odd, or, as an error, that makes a wrong detector."""

    text: str
    is_error: bool = False


@dataclass
class Seen:
    """What a detector sees of a data set: everything that takes a look at each of its images."""

    boxes: Counter = field(default_factory=Counter)
    images: list[str] = field(default_factory=list)
    image_ids: list[Any] = field(default_factory=list)
    ignored: int = 0
    without_mask: int = 0


@dataclass(frozen=True)
class Part:
    """A data set without wrappers: one annotation file of a split.

    Attributes:
        split: 'train', 'val' or 'test'.
        dataset: the data set.
        content: what is in its annotation file; None if it is not one of COCO's format, or was not remembered.
    """

    split: str
    dataset: DataSet
    content: AnnotationFile | None

    @property
    def file(self) -> str:
        return str(getattr(self.dataset, 'ann_file', '') or type(self.dataset).__name__)

    @property
    def classes(self) -> tuple[str, ...] | str:
        """As `metainfo` has them: a tuple, or text by a slip of the pen."""
        classes = self.dataset.metainfo.get('classes') or ()
        return classes if isinstance(classes, str) else tuple(classes)

    @property
    def boxes(self) -> Counter:
        """Label -> how many boxes the detector sees of it, without crowds."""
        return self.seen.boxes

    @property
    def images(self) -> list[str]:
        """The file of every image."""
        return self.seen.images

    @cached_property
    def seen(self) -> Seen:
        seen, folders = Seen(), dict[str, str]()
        for index in range(len(self.dataset)):
            about = self.dataset.get_data_info(index)
            instances = about.get('instances', ())
            seen.boxes.update(each['bbox_label'] for each in instances if not each.get('ignore_flag'))
            seen.ignored += sum(bool(each.get('ignore_flag')) for each in instances)
            seen.without_mask += sum('mask' not in each for each in instances)
            seen.images.append(real_path(str(about.get('img_path', '')), folders))
            seen.image_ids.append(about.get('img_id'))
        return seen

    def labelled(self) -> list[str] | None:
        """The names of the categories in the order in which MMDetection numbers them; None if that is not known."""
        ids = getattr(self.dataset, 'cat_ids', None)
        if ids is None or self.content is None:
            return None
        names = dict(self.content.categories)
        return [names[each] for each in ids]


def real_path(path: str, folders: dict[str, str]) -> str:
    """One spelling for every file of a disk, also through folders that are linked; those that are known are kept."""
    folder, name = os.path.split(path)
    if not path or '://' in path:
        return path
    if folder not in folders:
        folders[folder] = os.path.realpath(folder)
    return os.path.join(folders[folder], name)


def parts_of(split: str, dataset: DataSet, files: dict[str, AnnotationFile]) -> Iterator[Part]:
    """The data sets inside of all wrappers."""
    inner = wrapped_by(dataset)
    for each in inner:
        yield from parts_of(split, each, files)
    if not inner and hasattr(dataset, 'metainfo'):
        yield Part(split, dataset, files.get(str(getattr(dataset, 'ann_file', None))))
