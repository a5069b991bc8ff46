"""What can be known to be wrong with the data before training starts."""
from pathlib import Path
from typing import Iterator

from mmdet.registry import DATASETS
from mmengine.config import Config
from torch import nn

from mmfmkt.models.class_count import class_counts


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


def is_remote(path: str) -> bool:
    return '://' in path or path.startswith('s3:')


def check_data(cfg: Config, *loaders: str) -> None:
    """Look for the annotation files and image folders of the named data loaders.

    Raises:
        FileNotFoundError: if one is not there; the message says how to set it.
    """
    for loader in loaders:
        for dataset in find_datasets(cfg.get(loader)):
            root = dataset.get('data_root') or ''
            check_path(root, dataset['ann_file'], f'{loader}: the annotation file', 'ann_file')
            for folder in (dataset.get('data_prefix') or {}).values():
                check_path(root, folder, f'{loader}: the image folder', 'data_prefix')


def check_path(root: str, name: str, what: str, option: str) -> None:
    path = Path(root) / name
    if not is_remote(f'{root}{name}') and not path.exists():
        raise FileNotFoundError(f'{what} {path} must exist, but it does not (current folder: {Path.cwd()}); set '
                                f'`data_root` or `{option}` of the dataset in the config or with --cfg-options')


def check_classes(model: nn.Module, cfg: Config, *loaders: str) -> None:
    """Compare the classes of the named data loaders with those of the model's heads.

    Raises:
        ValueError: if the numbers differ.
    """
    of_heads = class_counts(model)
    for loader in loaders:
        for dataset in find_datasets(cfg.get(loader)):
            classes = (dataset.get('metainfo') or DATASETS.get(dataset['type']).METAINFO).get('classes')
            if classes and of_heads and of_heads != {len(classes)}:
                raise ValueError(f'{loader}: the data set has {len(classes)} classes ({", ".join(classes[:3])}, ...), but '
                                 f'the heads of the detector have num_classes={sorted(of_heads)}; set num_classes of '
                                 'every head, or metainfo=dict(classes=...) of the dataset')
