"""Files that stand for finished work."""
import os
from pathlib import Path

UNFINISHED = '.unfinished'  # what the name of a file ends in while it is written


def write_whole(file: Path, content: str | bytes) -> None:
    """Write a file that is whole or as it was before, whatever happens meanwhile, a loss of power too."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(file.name + UNFINISHED)
    with unfinished.open('wb') as stream:
        stream.write(content.encode() if isinstance(content, str) else content)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
