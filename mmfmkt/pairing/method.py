"""The methods that a pair can be trained with: the files of `configs/_base_/methods/`.

A file has the variables

- `distiller`, in MMRazor's form, with one loss; none for the plain student. The recorders `pyramid` and `head` and the
  channels in the loss are set for the pair;
- `flow`, if the method has one;
- `algorithm`, the type that trains it, `mmrazor.FMKTDistill` by default;
- `for_students`, how the loss differs for kinds of students, `two_stage` or `anchor_free`.

The plain student is the method without any.
"""

from __future__ import annotations

from pathlib import Path

from mmdet.models.dense_heads.anchor_free_head import AnchorFreeHead
from mmengine.config import Config
from mmengine.model import BaseModel
from mmrazor.registry import MODELS

from mmfmkt.common.config_files import read_config
from mmfmkt.common.files import project_folder
from mmfmkt.models.recorders.recorder_sources import check_distiller

DEFAULT, PLAIN = 'fmkt-theta', 'student'
VARIABLES = ('distiller', 'flow', 'algorithm', 'for_students')
KINDS = ('two_stage', 'anchor_free')


def folder() -> Path:
    return project_folder('configs') / '_base_' / 'methods'


def method_names() -> list[str]:
    """What `method` of a short form can be, besides a file of the user's."""
    return sorted(file.stem for file in folder().glob('*.py'))


def read_method(method: str) -> dict:
    """The variables of a method, given by its name or by a .py file.

    Raises:
        ValueError: if there is none of this name, or if the file is no method.
        FileNotFoundError: if the file is not there.
    """
    if isinstance(method, str) and method.endswith('.py'):
        base = read_config(method, '`method`').to_dict()
    elif isinstance(method, str) and method in method_names():
        base = Config.fromfile(folder() / f'{method}.py').to_dict()
    else:
        raise ValueError(
            f'`method` must be one of {", ".join(method_names())}, or a .py file with the variables of those in '
            f'configs/_base_/methods, but got {method!r}'
        )
    check_variables(base, method)
    distiller = base.get('distiller')
    if distiller is not None and len(distiller.get('distill_losses') or ()) != 1:
        raise ValueError(
            f'the distiller of a method must have one loss, but that of {method} has '
            f'{", ".join(distiller.get("distill_losses") or ["none"])}'
        )
    if flow_connector(base):
        base['flow'] = flow_connector(base)['flow']
    return base


def check_variables(base: dict, method: str) -> None:
    """Raise a ValueError if the file of a method has other variables than a method, or none."""
    unknown = set(base) - set(VARIABLES)
    if unknown or not base and method != PLAIN:
        raise ValueError(
            f'the file of a method must have `distiller`, and may have {", ".join(VARIABLES[1:])}, but {method} has '
            f'{", ".join(sorted(unknown)) or "none of them"}'
        )
    for name in ('distiller', 'flow', 'for_students'):
        if not isinstance(base.get(name, {}), dict):
            raise ValueError(f'the {name} of a method must be a dict, but that of {method} is {base[name]!r}')
    unknown = set(base.get('for_students', {})) - set(KINDS)
    if unknown:
        raise ValueError(
            f'`for_students` of a method must be for {" or ".join(KINDS)}, but that of {method} is for '
            f'{", ".join(sorted(unknown))}'
        )
    check_distiller(base.get('distiller', {}))


def flow_connector(base: dict) -> dict | None:
    """The connector that is the flow of a method whose flow is not deployed."""
    return ((base.get('distiller') or {}).get('connectors') or {}).get('flow')


def is_plain(base: dict) -> bool:
    """Is the method the student by itself?"""
    return 'distiller' not in base


def reads_teacher(base: dict) -> bool:
    return bool((base.get('distiller') or {}).get('teacher_recorders'))


def deploys_flow(base: dict) -> bool:
    """Is the flow a part of the detector that is deployed?"""
    return 'flow' in base and not flow_connector(base)


def kind_of(student: BaseModel) -> str | None:
    """The kind of a student in `for_students`; None for all others."""
    if getattr(student, 'roi_head', None) is not None:
        return 'two_stage'
    return 'anchor_free' if isinstance(getattr(student, 'bbox_head', None), AnchorFreeHead) else None


def misfit(base: dict, student: BaseModel, teacher: BaseModel) -> str | None:
    """Why the loss of a method cannot compare two detectors; None if it can."""
    if not reads_teacher(base):
        return None
    (loss,) = base['distiller']['distill_losses'].values()
    check = getattr(MODELS.get(loss['type']), 'misfit', None)
    return check(student, teacher) if check else None


def check_fit(method: str, base: dict, student: BaseModel, teacher: BaseModel) -> None:
    """Raise a ValueError if a method does not fit two detectors, with the methods that do."""
    reason = misfit(base, student, teacher)
    if reason:
        fitting = [name for name in method_names() if not misfit(read_method(name), student, teacher)]
        raise ValueError(
            f'`method` must fit student and teacher, but {method} does not: {reason}. Those that do are '
            f'{", ".join(fitting)}'
        )
