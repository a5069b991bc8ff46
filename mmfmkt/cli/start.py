"""Starting what a tool does, with errors as users see them: one message, and the traceback where it can be found."""

import argparse
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mmdet.utils import setup_cache_size_limit_of_dynamo
from mmengine.dist import get_rank
from mmengine.runner import Runner

T = TypeVar('T')
UNEXPECTED = (AssertionError, AttributeError, IndexError, KeyError, NameError, TypeError)


def set_up(prepare: Callable[[argparse.Namespace], T], args: argparse.Namespace) -> T:
    """Prepare something; what is wrong with config, data or checkpoint ends the program with its message alone."""
    setup_cache_size_limit_of_dynamo()
    try:
        return prepare(args)
    except Exception as error:
        if args.debug:
            raise
        sys.exit(f'{message(error)}\n(--debug shows where this was found)')


def run(start: Callable[[], object], runner: Runner, args: argparse.Namespace) -> None:
    """Start a runner; an error ends the program with its message, and leaves its traceback in the folder of the log."""
    try:
        start()
    except Exception as error:
        if args.debug:
            raise
        file = Path(runner.log_dir) / f'traceback_{get_rank()}.txt'
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(traceback.format_exc())
        sys.exit(f'{message(error)}\n(the traceback is in {file})')


def message(error: Exception) -> str:
    """The type of an error and what it says; of one from a worker of a data loader, what it said there.

    Errors that say little to a user, because nobody has expected them, say where they come from.
    """
    name, text = type(error).__name__, str(error).strip()
    if 'DataLoader worker' in text and 'Traceback' in text:
        text = text.rsplit(f'{name}: ', 1)[-1]
    where = f' ({place(error)})' if isinstance(error, UNEXPECTED) and error.__traceback__ else ''
    return (f'{name}: {text}' if text else name) + where


def place(error: Exception) -> str:
    """The function that has raised an error, with its file and line."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f'in {frame.name}, {"/".join(Path(frame.filename).parts[-3:])}:{frame.lineno}'
