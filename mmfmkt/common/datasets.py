"""Data sets of MMDetection and what wraps them."""

from typing import Any

DataSet = Any  # a data set, or a wrapper of some: what they share, images and metainfo, is no class


def wrapped_by(dataset: DataSet) -> list[DataSet]:
    """The data sets directly inside of a wrapper; of another data set none."""
    if '_dataset' in vars(dataset):  # MMEngine's `num_batch_per_epoch`, which looks like what is in it
        return [vars(dataset)['_dataset']]
    inner = [getattr(dataset, 'dataset', None), *(getattr(dataset, 'datasets', None) or [])]
    return [each for each in inner if each is not None]
