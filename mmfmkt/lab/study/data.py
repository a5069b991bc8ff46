"""A data set of the user's in the place of that of a config."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config, ConfigDict

from mmfmkt.common.config_files import type_name

SPLITS = ('train', 'val')  # that every data set has; one more, test, may be there
CHOOSING = ('EarlyStoppingHook', 'ReduceOnPlateau')  # by the validation; beginnings of names of hooks and schedules


@dataclass(frozen=True)
class CocoFolder:
    """A data set: images in `train/` and `val/`, boxes in `annotations/train.json` and `annotations/val.json`.

    A third split may be there, `test/` and `annotations/test.json`. Then AP is measured on that, and val is left for
    choosing settings.

    Attributes:
        root: the folder.
        split: what AP is measured on instead.
        epoch_images: about how many images an epoch has at least; a smaller data set is repeated in it, so that
            schedules that count epochs train on it about as long. 0 repeats nothing.
    """

    root: Path
    split: str | None = None
    epoch_images: int = 0

    def annotations(self, split: str) -> Path:
        return self.root / 'annotations' / f'{split}.json'

    def classes(self, split: str = 'train') -> tuple[str, ...]:
        """The names of the categories, in the order of the file."""
        return content(self.annotations(split))[0]

    @property
    def measured(self) -> str:
        """The split that AP is measured on, during a training and after it."""
        return self.split or ('test' if self.annotations('test').exists() else 'val')

    @property
    def size(self) -> dict[str, list[int]] | None:
        """Split -> how many images and boxes it has, of those that are trained and measured on; None if not here."""
        files = {each: self.annotations(each) for each in ('train', self.measured)}
        if not all(file.exists() for file in files.values()):
            return None
        return {each: list(content(file)[1:]) for each, file in files.items()}

    @property
    def repeats(self) -> int:
        """How often an epoch has each image."""
        return max(1, round(self.epoch_images / max(1, content(self.annotations('train'))[1])))

    def put_into(self, cfg: Config) -> None:
        """Let a config train and test on this data set; its pipelines, batches and everything else stay."""
        for part, split in {'train': 'train', 'val': self.measured, 'test': self.measured}.items():
            if loader := cfg.get(f'{part}_dataloader'):
                loader.dataset.update(
                    data_root=f'{self.root}/',
                    ann_file=f'annotations/{split}.json',
                    data_prefix=dict(img=f'{split}/'),
                    metainfo=dict(classes=self.classes()),
                )
            if evaluator := cfg.get(f'{part}_evaluator'):
                evaluator.ann_file = str(self.annotations(split))
        if self.repeats > 1:
            loader = cfg.train_dataloader
            loader.dataset = ConfigDict(type='RepeatDataset', times=self.repeats, dataset=loader.dataset)
        for part in parts(cfg.model):
            if 'num_classes' in part:
                part['num_classes'] = len(self.classes())

    def check_choices(self, cfg: Config, name: str) -> None:
        """Raise a ValueError if the training of a config chooses by the split that shall be left for measuring."""
        choosers = parts([cfg.get(key) for key in ('default_hooks', 'custom_hooks', 'param_scheduler')])
        found = {type_name(part) for part in choosers if type_name(part).startswith(CHOOSING)}
        if found and self.measured != 'val':
            raise ValueError(
                f'the trainings of a study are validated on the split that is measured, {self.measured}, so that '
                f'none may choose by it, but {name} has {", ".join(sorted(found))}; set `custom_hooks` or '
                '`param_scheduler` of its config, or of its `options`, without it'
            )


@functools.cache  # a large data set's file takes seconds to read, and every run asks
def content(file: Path) -> tuple[tuple[str, ...], int, int]:
    """The names of the categories of an annotation file, in its order, and how many images and boxes it has."""
    annotations = json.loads(file.read_text())
    names = tuple(category['name'] for category in annotations['categories'])
    return names, len(annotations.get('images', ())), len(annotations.get('annotations', ()))


def parts(config: object) -> Iterator[ConfigDict]:
    """A config dict and all that are in it."""
    if isinstance(config, dict):
        yield config
    for value in config.values() if isinstance(config, dict) else config if isinstance(config, (list, tuple)) else ():
        yield from parts(value)


def own_data(folder: str, split: str | None = None, epoch_images: int = 0) -> CocoFolder:
    """A data set of the user's, checked by :func:`check_data`; the arguments are those of :class:`CocoFolder`."""
    data = CocoFolder(Path(folder).absolute(), split, epoch_images)
    check_data(data)
    return data


def check_data(data: CocoFolder) -> None:
    """Raise an error if a data set lacks something.

    Raises:
        FileNotFoundError: if a folder or file is not there.
        ValueError: if the annotations have no categories, or not the same for all splits.
    """
    splits = dict.fromkeys([*SPLITS, data.measured])
    needed = [*(data.root / each for each in splits), *(data.annotations(each) for each in splits)]
    if missing := [str(path) for path in needed if not path.exists()]:
        raise FileNotFoundError(
            f'the data of a study, {data.root}, must have images in {"/, ".join(splits)}/ and boxes in '
            f'annotations/, one .json for each, but these are not there: {", ".join(missing)}'
        )
    try:
        classes = {each: data.classes(each) for each in splits}
    except (KeyError, ValueError) as error:
        raise ValueError(
            f'the annotation files below {data.root} must be COCO JSON with "categories", but are not: {error!r}'
        ) from error
    if len(set(classes.values())) > 1:
        raise ValueError(
            'the categories of annotations/train.json and annotations/val.json must be the same, in the same '
            f'order, and those of test.json if there is one, but are {classes}'
        )
