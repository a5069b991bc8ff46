"""A data set of the user's in the place of that of a config."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config, ConfigDict

SPLITS = ('train', 'val')
DATALOADERS = {'train_dataloader': 'train', 'val_dataloader': 'val', 'test_dataloader': 'val'}


@dataclass(frozen=True)
class CocoFolder:
    """A data set: images in `train/` and `val/`, boxes in `annotations/train.json` and `annotations/val.json`."""

    root: Path

    def annotations(self, split: str) -> Path:
        return self.root / 'annotations' / f'{split}.json'

    def classes(self, split: str = 'train') -> tuple[str, ...]:
        """The names of the categories, in the order of the file."""
        return categories(self.annotations(split))

    def put_into(self, cfg: Config) -> None:
        """Let a config train and test on this data set; its pipelines, batches and everything else stay."""
        for name, split in DATALOADERS.items():
            if cfg.get(name):
                cfg[name].dataset.update(
                    data_root=f'{self.root}/',
                    ann_file=f'annotations/{split}.json',
                    data_prefix=dict(img=f'{split}/'),
                    metainfo=dict(classes=self.classes()),
                )
        for name in ('val_evaluator', 'test_evaluator'):
            if cfg.get(name):
                cfg[name].ann_file = str(self.annotations('val'))
        for part in parts(cfg.model):
            if 'num_classes' in part:
                part['num_classes'] = len(self.classes())


@functools.cache  # a large data set's file takes seconds to read, and every run asks
def categories(file: Path) -> tuple[str, ...]:
    """The names of the categories of an annotation file, in its order."""
    return tuple(category['name'] for category in json.loads(file.read_text())['categories'])


def parts(config: object) -> Iterator[ConfigDict]:
    """A config dict and all that are in it."""
    if isinstance(config, dict):
        yield config
    for value in config.values() if isinstance(config, dict) else config if isinstance(config, (list, tuple)) else ():
        yield from parts(value)


def own_data(folder: str) -> CocoFolder:
    """A data set of the user's.

    Raises:
        FileNotFoundError: if a folder or file is not there.
        ValueError: if the annotations have no categories, or not the same for both splits.
    """
    data = CocoFolder(Path(folder).absolute())
    needed = [*(data.root / split for split in SPLITS), *(data.annotations(split) for split in SPLITS)]
    if missing := [str(path) for path in needed if not path.exists()]:
        raise FileNotFoundError(
            '--data must be a folder with train/, val/, annotations/train.json and '
            f'annotations/val.json, but these are not there: {", ".join(missing)}'
        )
    try:
        same = data.classes('train') == data.classes('val')
    except (KeyError, ValueError) as error:
        raise ValueError(
            f'the annotation files below {data.root} must be COCO JSON with "categories", but are not: {error!r}'
        ) from error
    if not same:
        raise ValueError(
            'the categories of annotations/train.json and annotations/val.json must be the same, in the same '
            f'order, but are {data.classes("train")} and {data.classes("val")}'
        )
    return data
