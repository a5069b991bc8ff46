"""Data sets of MMDetection and what wraps them."""

from typing import Any

DataSet = Any  # a data set, or a wrapper of some: what they share, images and metainfo, is no class


def uncut(dataset: DataSet) -> DataSet:
    """The data set of which MMEngine's `num_batch_per_epoch` takes the first images, or the data set itself.

    The part of it delegates everything to the whole, and can neither be copied nor told from it otherwise.
    """
    return vars(dataset).get('_dataset', dataset)


def wrapped_by(dataset: DataSet) -> list[DataSet]:
    """The data sets directly inside of a wrapper; of another data set none."""
    if (whole := uncut(dataset)) is not dataset:
        return [whole]
    inner = [getattr(dataset, 'dataset', None), *(getattr(dataset, 'datasets', None) or [])]
    return [each for each in inner if each is not None]
