"""What COCO's evaluation compares detections with: it reads a file of its own, which may be another one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import PurePath
from typing import Any

from mmdet.evaluation import CocoMetric
from mmengine.evaluator import BaseMetric

from mmfmkt.common.messages import shorten

from .categories import repeats
from .parts import Finding, Part


def with_their_parts(metrics: Sequence[Any], parts: Sequence[Part], apart: bool) -> list[tuple[Any, Sequence[Part]]]:
    """Metrics with the data sets that each is given: all, or, if `apart` as in MultiDatasetsEvaluator, one each."""
    if not apart:
        return [(metric, parts) for metric in metrics]
    return [(metric, [part]) for metric, part in zip(metrics, parts)] if len(metrics) == len(parts) else []


def check_evaluated(metric: BaseMetric, parts: Sequence[Part]) -> Iterator[Finding]:
    """Does a metric of COCO fit the data sets of its split? The first error is the last of the findings."""
    if not isinstance(metric, CocoMetric):
        return
    ids = [image_id for part in parts for image_id in part.seen.image_ids if image_id is not None]
    if len(parts) > 1 and (shared := repeats(ids)):
        yield Finding(
            f'images that {type(metric).__name__} evaluates must have an `id` of their own, but of '
            f'{" and ".join(part.file for part in parts)} {len(shared)} have one that another has too, as {shared[0]}: '
            'detections would be compared with objects of another image; join the files with ids that are counted on',
            is_error=True,
        )
        return
    api = getattr(metric, '_coco_api', None)
    if api is None:  # it evaluates the objects of the data set
        return
    file = f'the `ann_file` of {type(metric).__name__}'
    annotations = api.dataset.get('annotations', ())
    for finding in chain(
        without_iscrowd(file, annotations),
        of_other_classes(file, api, parts[0].classes),
        of_other_images(file, api, parts),
        of_other_boxes(file, annotations, parts),
        of_more_images(file, api, annotations, parts),
    ):
        yield finding
        if finding.is_error:
            return


def without_iscrowd(file: str, annotations: Sequence[dict]) -> Iterator[Finding]:
    without = sum('iscrowd' not in annotation for annotation in annotations)
    if without:
        yield Finding(
            f'every annotation must have `iscrowd`, which the evaluation of COCO reads, but {without} of '
            f'{len(annotations)} in {file} have none; write "iscrowd": 0',
            is_error=True,
        )


def of_other_classes(file: str, api: Any, classes: Sequence[str]) -> Iterator[Finding]:
    names = {category['id']: category['name'] for category in api.dataset['categories']}
    numbered = [names[number] for number in api.get_cat_ids(cat_names=list(classes))]
    if sorted(numbered) == sorted(classes) and numbered != list(classes):
        yield Finding(
            f'{file} must have its categories in the order of the classes, {shorten(classes)}, but has '
            f'{shorten(numbered)}: detections would be compared with other classes; give it the file of the data set',
            is_error=True,
        )


def of_other_images(file: str, api: Any, parts: Sequence[Part]) -> Iterator[Finding]:
    """An id that is one image here and another there. A file may be one of another format, with the same name."""
    for part in parts:
        content = part.content
        known = {} if content is None else dict(zip(content.image_ids.tolist(), content.file_names.tolist()))
        for image_id, path in zip(part.seen.image_ids, part.images):
            name, own = api.imgs.get(image_id, {}).get('file_name'), known.get(image_id) or path
            if name and stem(name) != stem(own):
                yield Finding(
                    f'{file} must be about the images of the data set, but the `id` {image_id} is {name} there, and '
                    f'{own} in {part.file}: detections would be compared with objects of other images; set it to '
                    f'{part.file}',
                    is_error=content is not None,  # a data set of one's own may read another file than is named
                )
                return


def of_other_boxes(file: str, annotations: Sequence[dict], parts: Sequence[Part]) -> Iterator[Finding]:
    """Images may be called the same in all splits: 0.jpg, 1.jpg, ..."""
    known = {(annotation['image_id'], *annotation.get('bbox', ())) for annotation in annotations}
    ours = [
        (image, *box)
        for part in parts
        if part.content is not None
        for image, box in zip(part.content.images.tolist(), part.content.boxes.tolist())
    ]
    others = sum(box not in known for box in ours)
    if 2 * others > len(ours):
        yield Finding(
            f'{file} has other boxes than the data set: {others} of the {len(ours)} in '
            f'{" and ".join(part.file for part in parts)} are not there; is it the file of another split?'
        )


def of_more_images(file: str, api: Any, annotations: Sequence[dict], parts: Sequence[Part]) -> Iterator[Finding]:
    counted = set(api.get_cat_ids(cat_names=list(parts[0].classes)))
    with_objects = {each['image_id'] for each in annotations if each['category_id'] in counted and not each['iscrowd']}
    more = with_objects.difference(*(part.seen.image_ids for part in parts))
    if more:
        yield Finding(
            f'{len(more)} of the {len(with_objects)} images with objects in {file} are not among the images of '
            f'{parts[0].split}: their objects count as missed; let it be the file of the images that are tested, '
            'without `indices` or `filter_cfg`'
        )


def stem(path: str) -> str:
    return PurePath(path.replace('\\', '/')).stem
