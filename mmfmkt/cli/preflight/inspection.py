"""What is odd about the annotations, said before training, once in a launch."""

import logging
from collections.abc import Callable, Sequence

from mmengine.dist import broadcast_object_list, is_main_process
from mmengine.logging import print_log

from mmfmkt.inspection import Part, inspect


def inspect_data(parts: Sequence[Part]) -> None:
    """Warn of what is odd in the annotation files.

    Raises:
        ValueError: for what would make a wrong detector.
    """
    for finding in inspect(parts):
        if finding.is_error:
            raise ValueError(finding.text)
        print_log(finding.text, 'current', logging.WARNING)


def in_one_process(check: Callable[[], None]) -> None:
    """Let the first process of a launch check something; all of them raise its ValueError."""
    said: list[str | None] = [None]
    if is_main_process():
        try:
            check()
        except ValueError as error:
            said = [str(error)]
    broadcast_object_list(said)
    if said[0] is not None:
        raise ValueError(said[0])
