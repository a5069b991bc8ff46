"""The checkpoints of a run on a disk, where a crash may come at any time."""

import logging
from pathlib import Path
from typing import NamedTuple

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


def find_resumable(work_dir: str) -> Resumable | None:
    """The newest checkpoint of a run that can be read, or None if there is none yet.

    A warning names newer ones that cannot, and the run names them as its newest no more.

    Raises:
        ValueError: if there are some, and none can be read.
    """
    problems = []
    for path in candidates(Path(work_dir)):
        try:
            found = read_resumable(path)
        except (FileNotFoundError, ValueError) as error:
            problems.append(str(error))
            continue
        for problem in problems:
            print_log(f'{problem}; going on from {path}', 'current', logging.WARNING)
        if path != named_newest(Path(work_dir)) and is_first_process():
            name_newest(Path(path))
        return found
    if problems:
        raise ValueError(
            'one of the checkpoints in the work dir must be readable to go on from, but none is:\n  '
            + '\n  '.join(problems)
            + '\nstart anew in another --work-dir, or without --resume'
        )
    return None


def candidates(work_dir: Path) -> list[str]:
    """The checkpoints of a run: the one that it names as its newest, then the others, the newest first."""
    named = named_newest(work_dir)
    files = [file for pattern in RESUMABLE for file in work_dir.glob(pattern)]
    files.sort(key=lambda file: file.stat().st_mtime, reverse=True)
    others = [str(file) for file in files if not named or file.resolve() != Path(named).resolve()]
    return [named] * bool(named) + others


def named_newest(work_dir: Path) -> str:
    """The path of the checkpoint that a run names as its newest, or nothing."""
    pointer = work_dir / POINTER
    named = pointer.read_text().strip() if pointer.exists() else ''
    moved = work_dir / Path(named).name  # with the whole folder
    return str(moved) if named and not Path(named).exists() and moved.exists() else named


def name_newest(path: Path) -> None:
    """Let MMEngine and `find_resumable` know a checkpoint as the newest of its folder."""
    write_whole(path.parent / POINTER, str(path))


def remove_unfinished(work_dir: str) -> None:
    """Remove what a crash has left half written."""
    for file in Path(work_dir).glob(f'*{UNFINISHED}'):
        file.unlink(missing_ok=True)


def remove_passed(work_dir: str) -> None:
    """Remove the checkpoint of an interruption, if the run has written one after it."""
    interrupted = Path(work_dir) / INTERRUPTED
    if candidates(Path(work_dir))[:1] != [str(interrupted)]:
        interrupted.unlink(missing_ok=True)
