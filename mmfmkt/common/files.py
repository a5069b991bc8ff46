"""Where the project's folders are, and files that stand for finished work."""

import contextlib
import os
from pathlib import Path

UNFINISHED = '.unfinished'  # what the name of a file ends in while it is written
IMAGES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')  # what the names of images end in


def project_folder(name: str) -> Path:
    """`configs` or `tools`: beside the package, or inside it if it was installed."""
    package = Path(__file__).parents[1]
    # an editable installation has links in .mim
    return next(folder.resolve() for folder in (package / '.mim' / name, package.parent / name) if folder.exists())


def write_whole(file: Path, content: str | bytes) -> None:
    """Write a file that is whole or as it was before, whatever happens meanwhile, a loss of power too."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = while_written(file)
    with unfinished.open('wb') as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
    finish(unfinished, file)


def while_written(file: Path) -> Path:
    """The name of a file until it is whole; other processes, which may write it at the same moment, have another."""
    return file.with_name(f'{file.name}.{os.getpid()}{UNFINISHED}')


def finish(unfinished: Path, file: Path) -> None:
    """Force a file to the disk, and give it its name."""
    force_to_disk(unfinished)
    unfinished.replace(file)
    with contextlib.suppress(OSError):  # not every file system has this for folders
        force_to_disk(file.parent)


def force_to_disk(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
