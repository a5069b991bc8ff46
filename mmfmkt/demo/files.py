"""Files that stand for finished work."""
from pathlib import Path


def write_whole(file: Path, text: str) -> None:
    """Write a file that is either whole or not there, whatever happens meanwhile."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f'{file.name}.unfinished')
    unfinished.write_text(text)
    unfinished.replace(file)
