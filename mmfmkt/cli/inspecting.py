"""Looking at the data of a config, without a detector."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from mmdet.registry import METRICS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from mmfmkt.common.config_files import read_config
from mmfmkt.common.datasets import DataSet
from mmfmkt.inspection import Finding, Part, check_evaluated, inspect
from mmfmkt.inspection.images import evenly
from mmfmkt.inspection.report import report
from mmfmkt.visualization.data_figure import Seen, data_figure
from mmfmkt.visualization.figures import save
from mmfmkt.visualization.photos import photo_from, pixels_of

from .preflight import build_datasets, check_data, harmless_metrics
from .start import message

SPLITS = ('train', 'val', 'test')


def inspect_config(args: argparse.Namespace) -> bool:
    """Print what is in the data sets of a config and whether its evaluators fit, and draw some images of each.

    A test split that is that of the validation is not looked at twice.

    Returns:
        Whether there is no error.

    Raises:
        FileNotFoundError: if an annotation file or an image folder is not there.
        ValueError: if a data set cannot be read, or if the config has none.
    """
    cfg = read_config(args.config, 'the config')
    cfg.merge_from_dict(args.cfg_options or {})
    init_default_scope(cfg.get('default_scope') or 'mmdet')
    splits = [split for split in SPLITS if cfg.get(f'{split}_dataloader')]
    if 'val' in splits and 'test' in splits and cfg.val_dataloader.dataset == cfg.test_dataloader.dataset:
        splits.remove('test')
    if not splits:
        raise ValueError(f'{args.config} must have a `train_dataloader` or another one, but it has {", ".join(cfg)}')
    check_data(cfg, *(f'{split}_dataloader' for split in splits))
    datasets, parts = build_datasets(cfg, *splits)
    findings = inspect(parts)
    if not any(finding.is_error for finding in findings):
        for split in ('val', 'test'):
            of_split = [part for part in parts if part.split == (split if split in splits else 'val')]
            findings += check_evaluator(cfg, split, of_split)
    print(f'\n{report(parts, findings)}\n')
    sound = not any(finding.is_error for finding in findings)
    if sound and args.num_images > 0:
        seen = {split: images_of(split, datasets[split], parts, args.num_images) for split in splits}
        print('images with their boxes:', save(data_figure(seen, parts[0].classes), Path(args.out)))
    return sound


def check_evaluator(cfg: Config, split: str, parts: Sequence[Part]) -> Iterator[Finding]:
    """Do the metrics of a split that are COCO's fit its data sets?"""
    config = cfg.get(f'{split}_evaluator')
    if not config or not parts or split == 'test' and config == cfg.get('val_evaluator') and parts[0].split == 'val':
        return
    for each, own in harmless_metrics(config, parts):
        try:
            metric = METRICS.build(each)
        except Exception as error:
            yield Finding(f'`{split}_evaluator` cannot be built: {message(error)}', is_error=True)
            return
        yield from check_evaluated(metric, own)


def images_of(split: str, dataset: DataSet, parts: Sequence[Part], count: int) -> list[Seen]:
    """Images evenly over a split: of a training after its pipeline; of others with the boxes of the file."""
    if split == 'train':
        return [trained_on(dataset[index]) for index in evenly(len(dataset), count)]
    inner = next(part.dataset for part in parts if part.split == split)
    photos = [photo_from(inner, index) for index in evenly(len(inner), count)]
    return [
        Seen(photo.pixels, InstanceData(bboxes=photo.boxes, labels=photo.truth.labels))
        for photo in photos
        if photo.truth is not None
    ]


def trained_on(packed: dict) -> Seen:
    objects = packed['data_samples'].gt_instances
    boxes = getattr(objects.bboxes, 'tensor', objects.bboxes)
    return Seen(pixels_of(packed['inputs']), InstanceData(bboxes=boxes, labels=objects.labels))
