"""The data of a run, looked at before it starts."""

from mmengine.runner import Runner

from mmfmkt.common.processes import in_one_process
from mmfmkt.inspection import Part, inspect

from .data import build_data, check_classes, unlabelled_images
from .findings import tell
from .rehearsal import rehearse


def checked_data(runner: Runner, *splits: str, rehearsal: bool) -> list[Part]:
    """Build the data of a runner's loops and look at annotations, classes and, if it is wanted, the evaluation.

    Raises:
        ValueError: if they cannot be read, or would make a wrong detector, or cannot be evaluated.
        FileNotFoundError: if the annotation file of a metric is not there.
    """
    parts = build_data(runner, *splits)
    in_one_process(lambda: tell(inspect(parts, unlabelled=unlabelled_images(runner))))
    check_classes(runner.model, parts)
    if rehearsal:
        in_one_process(lambda: rehearse(runner, parts))
    return parts
