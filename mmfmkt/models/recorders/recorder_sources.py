"""Is there what a recorder listens to?"""

import difflib
from collections.abc import Iterable
from typing import Any

from mmrazor.models.distillers import ConfigurableDistiller
from mmrazor.models.task_modules import ModuleOutputsRecorder, RecorderManager
from mmrazor.models.task_modules.recorder.base_recorder import BaseRecorder
from torch import nn


def check_distiller(config: dict) -> None:
    """Raise a ValueError if a part of a distiller's config is no dict of dicts."""
    for part in ('student_recorders', 'teacher_recorders', 'connectors', 'distill_losses', 'loss_forward_mappings'):
        entries = config.get(part) or {}
        if not isinstance(entries, dict):
            raise ValueError(f'`{part}` of the distiller must be a dict, but got {entries!r}')
        for name, entry in entries.items():
            if not isinstance(entry, dict) or part != 'loss_forward_mappings' and 'type' not in entry:
                raise ValueError(
                    f'`{part}.{name}` of the distiller must be dict({"type=" * (part != "loss_forward_mappings")}...), '
                    f'but got {entry!r}'
                )


def check_sources(recorders: RecorderManager, model: nn.Module, side: str) -> None:
    """Raise a ValueError if a recorder of modules listens to one that the model lacks; it lists the closest names."""
    names = [name for name, _ in model.named_modules() if name]
    for name, recorder in recorders.recorders.items():
        if isinstance(recorder, ModuleOutputsRecorder) and recorder.source not in names:
            raise ValueError(
                f'`source` of the recorder {name!r} must be a module of the {side} {type(model).__name__}, but '
                f'got {recorder.source!r}; the closest are {", ".join(closest(recorder.source, names))}'
            )


def closest(name: str, names: list[str], most: int = 5) -> list[str]:
    """The names that are most like `name`, or those of the parts of the model if none is."""
    return difflib.get_close_matches(name, names, most, cutoff=0.4) or [other for other in names if '.' not in other]


def check_losses_named(distiller: ConfigurableDistiller, log_only: Iterable[str]) -> None:
    """Raise a ValueError if a loss would not be trained: its name lacks "loss", or its arguments are not mapped."""
    if not isinstance(log_only, (list, tuple)):
        raise ValueError(f'`log_only` must list names of losses, but got {log_only!r}')
    losses, mapped, log_only = list(distiller.distill_losses), distiller.loss_forward_mappings, set(log_only)
    for name in losses:
        if 'loss' not in name and name not in log_only:
            raise ValueError(
                'the name of every loss must contain "loss", because MMEngine trains those alone, but got '
                f'{name!r}; rename it, or list it in `log_only` of the algorithm'
            )
        if name not in mapped:
            raise ValueError(
                f'every loss must have its arguments in `loss_forward_mappings`, which has {list(mapped)}, but '
                f'{name!r} has none'
            )
    if not log_only <= {name for name in losses if 'loss' not in name}:
        raise ValueError(
            f'`log_only` must list losses without "loss" in their name, but got {sorted(log_only)} for {losses}'
        )


def recorder_of(distiller: ConfigurableDistiller, recorder: str, from_student: bool, **indices: Any) -> BaseRecorder:
    """The recorder of a record, as `loss_forward_mappings` describes it."""
    recorders = distiller.student_recorders if from_student else distiller.teacher_recorders
    return recorders.get_recorder(recorder)


def check_recorded(distiller: ConfigurableDistiller) -> None:
    """Raise a ValueError if a module that a loss reads did not run in this iteration."""
    for name, arguments in distiller.loss_forward_mappings.items():
        for argument, record in arguments.items():
            recorder = recorder_of(distiller, **record)
            if isinstance(recorder, ModuleOutputsRecorder) and not recorder.data_buffer:
                raise ValueError(
                    f'what a loss reads must run in every iteration, but {recorder.source!r}, the source of the '
                    f'recorder {record["recorder"]!r} and `{argument}` of {name!r}, did not'
                )
