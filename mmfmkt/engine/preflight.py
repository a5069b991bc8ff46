"""What can be known to be wrong with the data before anything is built."""
from pathlib import Path
from typing import Iterator

from mmengine.config import Config


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
