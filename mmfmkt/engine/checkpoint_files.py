"""The checkpoints of a run on a disk, where a crash may come at any time.

They are in the work dir, and in the folder of its name in the `out_dir` of MMEngine's `CheckpointHook` if it has one.
Functions for both take the work dir first.
"""

import logging
import os
from pathlib import Path
from typing import NamedTuple

from mmengine.config import Config
from mmengine.fileio import LocalBackend, register_backend
from mmengine.logging import print_log
from torch import Tensor

from mmfmkt.common.checkpoints import read_checkpoint
from mmfmkt.common.files import UNFINISHED, write_whole
from mmfmkt.common.processes import is_first_process

POINTER = 'last_checkpoint'  # MMEngine's file with the path of the newest checkpoint
INTERRUPTED = 'interrupted.pth'
RESUMABLE = ('epoch_*.pth', 'iter_*.pth', INTERRUPTED)


@register_backend('whole_files')
class WholeFilesBackend(LocalBackend):
    """Files on a local disk that are never half written, and removed only when their successors are there.

    MMEngine removes an outdated checkpoint before it writes the next. Here it stays until `remove_outdated` is called.
    """

    outdated: list[Path] = []  # of the process, because MMEngine makes a backend for every file

    def put(self, obj: bytes, filepath: str | Path) -> None:
        write_whole(Path(filepath), obj)

    def remove(self, filepath: str | Path) -> None:
        self.outdated.append(Path(filepath))

    @classmethod
    def remove_outdated(cls) -> None:
        while cls.outdated:
            cls.outdated.pop().unlink(missing_ok=True)


class Resumable(NamedTuple):
    """A checkpoint to go on from, and what is in it."""

    path: str
    weights: dict[str, Tensor]
    content: dict


def read_resumable(path: str) -> Resumable:
    """Read a checkpoint to go on from; raises as :func:`~mmfmkt.common.checkpoints.read_checkpoint`."""
    return Resumable(path, *read_checkpoint(path, 'the checkpoint to go on from'))


def checkpoint_folders(work_dir: str, cfg: Config) -> list[Path]:
    """Where checkpoints of a run can be on this disk."""
    out_dir = ((cfg.get('default_hooks') or {}).get('checkpoint') or {}).get('out_dir')
    if not out_dir or '://' in out_dir:
        return [Path(work_dir)]
    return [Path(work_dir), Path(out_dir, os.path.basename(os.path.abspath(work_dir)))]


def find_resumable(*folders: Path) -> Resumable | None:
    """The newest checkpoint of a run that can be read, or None if there is none yet.

    A warning names newer ones that cannot, and the run names them as its newest no more.

    Raises:
        ValueError: if there are some, and none can be read.
    """
    problems = []
    for path in candidates(*folders):
        try:
            found = read_resumable(path)
        except (FileNotFoundError, ValueError) as error:
            problems.append(str(error))
            continue
        for problem in problems:
            print_log(f'{problem}; going on from {path}', 'current', logging.WARNING)
        if path != named_newest(*folders) and is_first_process():
            name_newest(folders[0], path)
        return found
    if problems:
        raise ValueError(
            'one of the checkpoints of the run must be readable to go on from, but none is:\n  '
            + '\n  '.join(problems)
            + '\nstart anew in another --work-dir, or without --resume'
        )
    return None


def candidates(*folders: Path) -> list[str]:
    """The checkpoints of a run: the one that it names as its newest, then the others, the newest first."""
    named = named_newest(*folders)
    files = {file.resolve(): file for folder in folders for pattern in RESUMABLE for file in folder.glob(pattern)}
    if named:
        files.pop(Path(named).resolve(), None)
    others = sorted(files.values(), key=lambda file: file.stat().st_mtime, reverse=True)
    return [named] * bool(named) + [str(file) for file in others]


def named_newest(*folders: Path) -> str:
    """The path of the checkpoint that a run names as its newest, or nothing."""
    pointer = folders[0] / POINTER
    named = pointer.read_text().strip() if pointer.exists() else ''
    if named and not Path(named).exists():
        moved = [file for folder in folders if (file := folder / Path(named).name).exists()]  # with the whole folder
        return str(moved[0]) if moved else named
    return named


def name_newest(work_dir: Path, path: str) -> None:
    """Let MMEngine and `find_resumable` know a checkpoint as the newest of a run."""
    write_whole(work_dir / POINTER, path)


def remove_unfinished(*folders: Path) -> None:
    """Remove what a crash has left half written."""
    for file in [file for folder in folders for file in folder.glob(f'*{UNFINISHED}')]:
        file.unlink(missing_ok=True)


def remove_passed(*folders: Path) -> None:
    """Remove the checkpoint of an interruption, if the run has written one after it."""
    interrupted = folders[0] / INTERRUPTED
    if candidates(*folders)[:1] != [str(interrupted)]:
        interrupted.unlink(missing_ok=True)
