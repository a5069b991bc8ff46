"""Ids and categories: does a label mean the same in every file, and what the config says?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from mmfmkt.common.messages import shorten

from .causes import unknown_ids
from .parts import Finding, Part


def check_ids(part: Part) -> Iterator[Finding]:
    """Ids that stand for two things, and those which COCO's evaluation does not count."""
    content = part.content
    if content is None:
        return
    category_ids = [number for number, _ in content.categories]
    for what, ids in (
        ('images', content.image_ids.tolist()),
        ('annotations', content.annotation_ids.tolist()),
        ('categories', category_ids),
    ):
        if repeated := repeats(ids):
            yield Finding(
                f'{part.file} must have an `id` of its own for each of its {what}, but {shorten(repeated)} '
                f'{"is" if len(repeated) == 1 else "are"} there more than once; number them anew',
                is_error=True,
            )
    for unknown in unknown_ids(content):
        yield Finding(f'{part.file}: {unknown}')
    if part.split != 'train' and 0 in content.annotation_ids.tolist():
        yield Finding(
            f'{part.file} has an annotation with the id 0, which COCO takes for "nothing found": that object counts as '
            'missed in every evaluation; number annotations from 1'
        )


def check_classes(part: Part, first: Part) -> Iterator[Finding]:
    """Do the classes of a part mean the same as those of its file, and as those of the first part?"""
    classes, labelled = part.classes, part.labelled()
    if isinstance(classes, str):
        if len(classes) > 1:
            yield Finding(
                f"`metainfo.classes` of the dataset must be a tuple of names, but got the text '{classes}', which is "
                f"taken for its letters; write ('{classes}', ) with a comma",
                is_error=True,
            )
        return
    if tuple(first.classes) != classes:
        yield Finding(
            'all data sets must have the same classes in the same order, but those of '
            f'{first.split} ({first.file}) and of {part.split} ({part.file}) differ: '
            f'{difference(first.classes, classes)}; set the same `metainfo=dict(classes=...)` in both',
            is_error=True,
        )
    if labelled is None or part.content is None or not classes:
        return
    names = [name for _, name in part.content.categories]
    twice = [name for name in repeats(names) if name in classes]
    absent = [name for name in classes if name not in names]
    if twice:
        ids = [number for number, name in part.content.categories if name == twice[0]]
        yield Finding(
            f"every class must be one category of {part.file}, but '{twice[0]}' is the name of {len(ids)} categories, "
            f'with the ids {shorten(ids)}; remove the one that has no annotations, or rename it',
            is_error=True,
        )
    elif absent:
        yield Finding(
            f'every class must be a category of the annotation file, but {part.file} has {len(labelled)} of the '
            f'{len(classes)} classes ({shorten(classes)}): {shorten(absent)} '
            f'{"is" if len(absent) == 1 else "are"} none of its categories ({shorten(names)}); set '
            '`metainfo=dict(classes=...)` of the dataset to names of the file',
            is_error=True,
        )
    elif tuple(labelled) != classes:
        yield Finding(out_of_order(part, labelled, first), is_error=True)


def out_of_order(part: Part, labelled: Sequence[str], first: Part) -> str:
    """The message about a file whose categories have another order than the classes."""
    of_first = first.labelled()
    if of_first is not None and tuple(of_first) == first.classes:
        where = f'{part.file} and {first.file} have their `categories` in another order'
        remedy = f'write the `categories` of both in one order, {shorten(first.classes)}'
    else:
        where = f'{part.file} has its `categories` in another order than `metainfo.classes`'
        remedy = f'set classes={tuple(labelled)!r}'
    return (
        'MMDetection numbers classes in the order of the categories in the file, whatever `metainfo` says, but '
        f'{where}: {difference(labelled, part.classes)}. Detections would get the names of other classes; {remedy}'
    )


def difference(one: Sequence[str], other: Sequence[str]) -> str:
    """In which label two lists of classes differ first."""
    for label, (name, other_name) in enumerate(zip(one, other)):
        if name != other_name:
            return f"label {label} is '{name}' in one and '{other_name}' in the other"
    return f'there are {len(one)} in one and {len(other)} in the other'


def repeats(values: Iterable[Any]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1]
