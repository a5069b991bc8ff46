"""From two detectors to a distillation: both are run once to find what they have in common, and the config of a method is
filled in with it.
"""

from __future__ import annotations

import inspect

from mmengine.model import BaseModel
from mmrazor.registry import MODELS

from mmfmkt.common.building import build_detector
from mmfmkt.common.config_files import read_detector_config
from mmfmkt.common.processes import is_first_process
from mmfmkt.detectors.pyramid import Level, describe_matched, find_pyramid, match_levels

from .fill import Matched, choose, compares_levels, fill_flow, fill_loss, fill_sources, merge, to_dict, with_flow_neck
from .method import DEFAULT, check_fit, deploys_flow, flow_connector, is_plain, kind_of, read_method, reads_teacher

# further arguments of the algorithms
SETTINGS = (
    'inherit',
    'evaluate_teacher',
    'log_only',
    'check_classes',
    'weight_schedule',
    'task_weight',
    'teacher_inference',
    'data_preprocessor',
    'init_cfg',
)


def pair_config(
    architecture: dict,
    teacher: str | dict | None = None,
    teacher_ckpt: str | None = None,
    method: str = DEFAULT,
    flow: dict | None = None,
    loss: dict | None = None,
    distiller: dict | None = None,
    **others,
) -> dict:
    """The config of the algorithm that trains a pair of detectors; for the method 'student', that of the student.

    That method reads `architecture` alone, so that the same config, with one word changed, trains the base line.
    Levels of student and teacher are matched by stride, and the four finest are compared. Where the channels of two
    levels differ, the loss projects the student's prediction with a 1x1 convolution.

    Args:
        architecture: config of the student detector.
        teacher: config file, 'package::' config or config dict of the teacher; not read by methods without one.
        teacher_ckpt: file or address of its weights.
        method: a file of `configs/_base_/methods`, as 'fmkt' or 'pkd', or a .py file like those.
        flow: settings of the flow that differ from the method's, as `num_steps`; `levels` chooses levels of the student.
        loss: settings of the loss that differ from the method's, as `loss_weight`; `levels` for methods without a flow.
        distiller: settings of the distiller that differ, as further recorders, connectors, losses and mappings.
        others: further arguments of the algorithm, as `inherit`.

    Raises:
        ValueError: if the method is unknown or does not fit the two, if student and teacher have no stride in common, in
            which case the message shows both pyramids, or if a config is not that of a detector.
    """
    check_settings(others, flow=flow, loss=loss, distiller=distiller)
    base, architecture = read_method(method), to_dict(architecture)
    if is_plain(base):
        return architecture
    if flow and 'flow' not in base:
        raise ValueError(
            f'`flow` must be set for a method that has one, but got {flow} for {method}; levels are set by '
            '`loss.levels`'
        )
    student, pyramid = look_at(architecture, 'student')
    matched = match_levels(pyramid, pyramid)
    if reads_teacher(base):
        detector, of_teacher = look_at(read_detector_config(teacher), 'teacher')
        check_fit(method, base, student, detector)
        matched = match_levels(pyramid, of_teacher)
        fill_sources(base['distiller']['teacher_recorders'], detector)
        others.update(teacher=to_dict(teacher), teacher_ckpt=teacher_ckpt)
    fill_sources(base['distiller'].get('student_recorders'), student)
    matched = set_loss(base, kind_of(student), loss, matched, (flow or {}).get('levels'))
    if 'flow' in base:
        flow = fill_flow(merge(base['flow'], flow), [level for level, _ in matched])
        architecture = set_flow(base, flow, architecture)
    if is_first_process() and ('flow' in base or compares_levels(base)):
        print(describe_matched(matched))
    return dict(
        type=base.get('algorithm', 'mmrazor.FMKTDistill'),
        architecture=architecture,
        distiller=merge(base['distiller'], distiller),
        **others,
    )


def check_settings(others: dict, **dicts) -> None:
    """Raise a ValueError for a setting that the algorithm does not have, or that is no dict."""
    for name, value in dicts.items():
        if value is not None and not isinstance(value, dict):
            raise ValueError(f'`{name}` of a pair must be a dict of settings, but got {value!r}')
    unknown = set(others) - set(SETTINGS)
    if unknown:
        raise ValueError(
            'a pair must have no other settings than architecture (the student), teacher, teacher_ckpt, '
            f'method, flow, loss, distiller, {", ".join(SETTINGS)}, but got {", ".join(sorted(unknown))}; what '
            'belongs to the student is set under `model.architecture`'
        )


def look_at(config: dict, side: str) -> tuple[BaseModel, tuple[Level, ...]]:
    """A detector and its pyramid; an error says whose it is."""
    try:
        detector = build_detector(config)
        return detector, find_pyramid(detector)
    except Exception as error:
        kind = '' if isinstance(error, ValueError) else f'{type(error).__name__}: '
        raise ValueError(f'the {side} cannot be distilled: {kind}{error}') from error


def set_loss(base: dict, kind: str | None, changes: dict | None, matched: Matched, levels: list[int] | None) -> Matched:
    """Fill in the loss of a method for a kind of student, and return the levels that it compares."""
    losses = base['distiller']['distill_losses']
    ((name, loss),) = losses.items()
    loss = merge(merge(loss, (base.get('for_students') or {}).get(kind)), changes)
    check_arguments(loss)
    matched = choose(
        matched, loss.get('levels') if levels is None else levels
    )  # of a loss without a flow, or of a flow
    losses[name] = fill_loss(loss, matched)
    return matched


def check_arguments(loss: dict) -> None:
    """Raise a ValueError for an argument that a loss does not have."""
    cls = MODELS.get(loss['type'])
    parameters = inspect.signature(cls).parameters if cls else {}
    if cls and not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        unknown = set(loss) - set(parameters) - {'type'}
        if unknown:
            remedy = '; the levels of a flow are set by `flow.levels`' if 'levels' in unknown else ''
            raise ValueError(
                f'`loss` must have arguments of {cls.__name__}, {", ".join(parameters)}, but got '
                f'{", ".join(sorted(unknown))}{remedy}'
            )


def set_flow(base: dict, flow: dict, architecture: dict) -> dict:
    """Put a flow where the method has it, and return the student's config."""
    if deploys_flow(base):
        return with_flow_neck(architecture, flow)
    flow_connector(base)['flow'] = flow
    return architecture
