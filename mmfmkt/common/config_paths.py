"""Where the pairs of `configs/` are, and what has become of configs that had another place in earlier versions."""

from __future__ import annotations

import os
from pathlib import Path

from .files import project_folder


def pair_files() -> list[Path]:
    """The configs of pairs, `configs/FAMILY/FAMILY_TEACHER_STUDENT.py`, with _SCHEDULE at the end if it is not 2x.

    FAMILY is the student's, a folder as MMDetection has it: `configs/faster_rcnn/faster-rcnn_r101_r50.py`.
    """
    files = project_folder('configs').glob('*/*_*_*.py')
    return sorted(file for file in files if file.name.startswith(f'{file.parent.name.replace("_", "-")}_'))


def without_teacher(pair: str) -> str:
    """The name of a pair without its teacher, so that of its student: 'retinanet_r50' of 'retinanet_r101_r50'."""
    family, _, *student = pair.split('_')
    return '_'.join([family, *student])


def moved(path: str, is_base: bool = False) -> str | None:
    """What a user is told who names a config by the path that it had in an earlier version; None for other paths.

    Args:
        path: a path that is not there, as 'configs/pkd_retinanet_r101_r50.py'.
        is_base: whether another config names it as its `_base_`; otherwise it stands on a command line.
    """
    name, folder = Path(path).stem, Path(path).absolute().parent.parts
    if folder[-3:] == ('configs', '_base_', 'pairs'):
        new = [file for file in pair_files() if file.stem == name]
        return told(path, '../..', new)
    if folder[-2:] == ('configs', '_base_'):
        return told(path, '..', list(project_folder('configs').glob(f'_base_/*/{name.removesuffix("-roi")}.py')))
    method, _, pair = name.partition('_')
    if folder[-1:] != ('configs',) or not (project_folder('configs') / '_base_' / 'methods' / f'{method}.py').exists():
        return None
    # methods without a teacher had a config for each student
    new = [file for file in pair_files() if pair in (file.stem, without_teacher(file.stem))]
    return told(path, '.', new, f'model = dict(method={method!r})' if is_base else f'--method {method}')


def told(path: str, up: str, new: list[Path], setting: str = '') -> str | None:
    """The message for a path, the files in its place, and a setting that belongs to them.

    The files are named as the path was: from the same place, with `up` on the way from its folder to `configs/`.
    """
    if not new:
        return None
    configs = os.path.normpath(os.path.join(os.path.dirname(path), up))
    names = [os.path.normpath(os.path.join(configs, os.path.relpath(file, project_folder('configs')))) for file in new]
    return f'{path} has moved: use {" or ".join(names)}{" with " if setting else ""}{setting}'
