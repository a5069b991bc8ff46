"""Images that nobody has labelled, and batches of them without an end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import BaseDataset, pseudo_collate
from mmengine.dist import get_rank, get_world_size
from mmrazor.registry import DATASETS
from torch.utils.data import DataLoader

from mmfmkt.common.config_files import type_name
from mmfmkt.common.datasets import DataSet
from mmfmkt.common.files import IMAGES

from .seeded_batches import SeededBatch
from .seeding import derived_seed
from .workers import start_worker

KEEPING = dict(RandomCrop=dict(allow_negative_crop=True), FilterAnnotations=dict(keep_empty=False))


@DATASETS.register_module()
class UnlabelledImages(BaseDataset):
    """All images below a folder, without boxes.

    Args:
        data_root: the folder; images are found in its folders too.
        pipeline: as that of a training; boxes may be loaded, there are none, and no image is left out for that.
        others: further arguments of MMEngine's `BaseDataset`.

    Raises:
        FileNotFoundError: if the folder is not there.
        ValueError: if there is no image.
    """

    def __init__(self, data_root: str, pipeline: list, **others: Any) -> None:
        super().__init__(data_root=data_root, pipeline=without_boxes(pipeline), **others)

    def load_data_list(self) -> list[dict]:
        folder = Path(self.data_root)
        if not folder.is_dir():
            raise FileNotFoundError(f'`data_root` of images without labels must be a folder, but {folder} is none')
        files = sorted(file for file in files_below(folder) if file.suffix.lower() in IMAGES)
        if not files:
            raise ValueError(
                f'`data_root` of images without labels must have images ({", ".join(IMAGES)}), but there is none in '
                f'{folder}'
            )
        return [dict(img_path=str(file), img_id=number, instances=[]) for number, file in enumerate(files)]


def files_below(folder: Path) -> Iterator[Path]:
    """All files in a folder, its folders and those that are linked there, none of them entered twice."""
    entered = set()
    for inner, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(inner)
        if real in entered:
            folders.clear()
            continue
        entered.add(real)
        folders.sort()
        yield from (Path(inner, file) for file in files)


def without_boxes(step: Any) -> Any:
    """A pipeline, or a part of it, whose transforms do not leave out images in which there is no box."""
    if isinstance(step, (list, tuple)):
        return type(step)(without_boxes(each) for each in step)  # a size is a tuple
    if not isinstance(step, dict):
        return step
    step = {key: without_boxes(value) for key, value in step.items()}
    return {**step, **KEEPING.get(type_name(step), {})}


class EndlessBatches:
    """The batches of images of one process, pass after pass, each pass in an order of its own.

    Which images are in a batch, and their random state, follows from the seed, the number of the iteration and that of
    the process: a run that goes on in the middle needs no state.

    Args:
        length: how many images there are.
        batch_size: of them in a batch, of each process.
        seed: that of the run, the same in all processes.
        first: the number of the first iteration.
    """

    def __init__(self, length: int, batch_size: int, seed: int, first: int) -> None:
        self.length, self.batch_size, self.seed, self.first = length, batch_size, seed, first

    def __iter__(self) -> Iterator[Any]:  # SeededBatch, which is no list
        iteration = self.first
        while True:
            # one number less than the batches of labelled images have, whose states are others then
            yield SeededBatch(self.indices(iteration), self.seed, get_rank(), iteration)
            iteration += 1

    def indices(self, iteration: int) -> list[int]:
        start = (iteration * get_world_size() + get_rank()) * self.batch_size
        places = range(start, start + self.batch_size)
        orders = {number: self.order(number) for number in {place // self.length for place in places}}
        return [orders[place // self.length][place % self.length] for place in places]

    def order(self, number: int) -> list[int]:
        """The order of the images in a pass."""
        generator = torch.Generator().manual_seed(derived_seed(self.seed, number))
        return torch.randperm(self.length, generator=generator).tolist()


def endless_loader(dataset: DataSet, batch_size: int, num_workers: int, seed: int, first: int) -> DataLoader:
    """A loader of batches from the iteration `first` on."""
    return DataLoader(
        dataset,
        batch_sampler=EndlessBatches(len(dataset), batch_size, seed, first),
        num_workers=num_workers,
        collate_fn=pseudo_collate,
        worker_init_fn=start_worker if num_workers else None,
        persistent_workers=num_workers > 0,
    )
