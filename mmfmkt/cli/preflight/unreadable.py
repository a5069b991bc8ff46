"""Data sets that cannot be built: what is wrong with their annotations, or what a user is asked about them."""

import json
import traceback
from collections.abc import Iterator, Sequence

from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS
from mmengine.dataset import BaseDataset

from mmfmkt.cli.start import message
from mmfmkt.inspection import AnnotationFile
from mmfmkt.inspection.causes import nothing_left


def find_datasets(node: object) -> Iterator[dict]:
    """All dataset configs with an annotation file in a data loader's config, inside any wrapper."""
    if isinstance(node, dict):
        if node.get('ann_file'):
            yield node
        for key in ('dataset', 'datasets'):
            yield from find_datasets(node.get(key))
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from find_datasets(item)


def unreadable(split: str, loader: dict, error: Exception, files: dict[str, AnnotationFile]) -> ValueError:
    """The error about a data set that could not be built, with what was read of its files before."""
    return ValueError(
        f'the data of `{split}_dataloader` could not be read: {message(error)}{advice(loader, error, files)}'
    )


def advice(loader: dict, error: Exception, files: dict[str, AnnotationFile]) -> str:
    """What is known about an error that is from reading annotations, or what a user is asked."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    where = {frame.f_code.co_name for frame in frames}
    if isinstance(error, ImportError) or not where & {'full_init', 'parse_data_info', 'createIndex'}:
        return ''
    datasets = list(find_datasets(loader))
    named = ' and '.join(dataset['ann_file'] for dataset in datasets) or 'the annotation file'
    if isinstance(error, json.JSONDecodeError):
        return f'; {named} must be JSON from its beginning to its end: was it written, or copied, to the end?'
    if 'serialize' in ''.join(where):  # MMEngine joins the images that are left
        built = [frame.f_locals['self'] for frame in frames if frame.f_code.co_name == 'full_init']
        return f'; no image is left of {nothing_of(built[-1], datasets, named, files)}'
    has = f'has {named} what its type reads'
    if any(issubclass(kind_of(dataset), CocoDataset) for dataset in datasets):
        has = (
            f'has {named} images with boxes (id, file_name, width, height; id, image_id, category_id, bbox, area, '
            'iscrowd; categories with id and name)'
        )
    return (
        f'; are the settings those of its types, {has}, and are the classes in the `metainfo` of the dataset named as '
        'in that file?'
    )


def nothing_of(built: BaseDataset, datasets: Sequence[dict], named: str, files: dict[str, AnnotationFile]) -> str:
    """How many there were in the data set that was built, why none may be left, and what else may be the reason."""
    filters = [dict(dataset['filter_cfg']) for dataset in datasets if dataset.get('filter_cfg')]
    may_filter = f'does `filter_cfg`, {filters[0]}, leave an image (min_size is in pixels)?' if filters else ''
    if content := files.get(str(built.ann_file)):
        named = f'the {len(content.image_ids)}, with {len(content.boxes)} annotations, of {built.ann_file}'
        if known := nothing_left(content, built.metainfo.get('classes') or ()):
            return f'{named}: {", ".join(known)}' + (f'; or {may_filter}' if filters else '')
    classes = f'{named}: are the classes in the `metainfo` of the dataset named as in that file'
    return classes + (f', and {may_filter}' if filters else '?')


def kind_of(dataset: dict) -> type:
    return dataset['type'] if isinstance(dataset['type'], type) else DATASETS.get(dataset['type']) or object
