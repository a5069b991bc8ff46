"""From two detectors and a method to a distillation.

Both are run once to find what they have in common, and the config of the method is filled in with it.
"""

from __future__ import annotations

import copy
import inspect
from typing import Any

from mmengine.model import BaseModel
from mmrazor.registry import MODELS

from mmfmkt.common.building import build_detector
from mmfmkt.common.config_files import read_detector_config
from mmfmkt.common.deprecated import with_new_names
from mmfmkt.common.processes import is_first_process
from mmfmkt.detectors.comparable_heads import find_head, strides_of
from mmfmkt.detectors.pyramid import Level, describe_matched, find_pyramid, match_levels
from mmfmkt.models.losses.level_loss import LevelLoss

from .auto_weight import balance_of, without_auto
from .auxiliary_head import add_auxiliary_head, head_settings
from .fill import (
    Matched,
    choose,
    fill_flow,
    fill_head_flow,
    fill_heads,
    fill_loss,
    fill_sources,
    is_a,
    merge,
    read_boxes,
    to_dict,
    with_flow_head,
    with_flow_neck,
)
from .method import DEFAULT, Method, check_fit, kind_of, method_names, read_method
from .several_teachers import add_teacher, in_common, weighted, weighted_teachers

# further arguments of the algorithms
SETTINGS = (
    'inherit',
    'evaluate_teacher',
    'log_only',
    'check_classes',
    'weight_schedule',
    'balance',
    'in_turn',
    'task_weight',
    'teacher_inference',
    'data_preprocessor',
    'init_cfg',
)


def pair_config(
    architecture: dict,
    teacher: str | dict | list[dict] | None = None,
    teacher_ckpt: str | None = None,
    method: str = DEFAULT,
    flow: dict | None = None,
    loss: dict | None = None,
    distiller: dict | None = None,
    head_flow: dict | None = None,
    auxiliary_head: dict | bool = False,
    **others: Any,
) -> dict:
    """The config of the algorithm that trains a pair of detectors; for the method 'student', that of the student.

    That method reads `architecture` alone, so that the same config, with one word changed, trains the plain student.
    Levels of student and teacher are matched by stride, and the four finest are compared. Where the channels of two
    levels differ, the loss projects the student's prediction with a 1x1 convolution.

    Args:
        architecture: config of the student detector.
        teacher: config file, 'package::' config or config dict of the teacher; not read by methods without one. Several
            are a list of dict(teacher=..., teacher_ckpt=..., weight=1.0): the loss is the mean of those towards each,
            weighted. The method must compare features; settings that are about the teacher are about the first.
        teacher_ckpt: file or address of its weights.
        method: a file of `configs/_base_/methods`, as 'fmkt' or 'pkd', or a .py file like those.
        flow: settings of the flow that differ from the method's, as `num_steps`; `levels` chooses levels of the
            student.
        loss: settings of the first loss that differ from the method's, as `loss_weight`, a number or 'auto'; `levels`
            for methods without a flow.
        distiller: settings of the distiller that differ, as further recorders, connectors, losses and mappings.
        head_flow: settings of the second flow of a method that has one in the neck and one in the head.
        auxiliary_head: whether there is an :class:`~mmfmkt.models.losses.auxiliary_head_loss.AuxiliaryHeadLoss` beside
            the losses of the method, or its settings.
        others: further arguments of the algorithm, as `inherit`.

    Raises:
        ValueError: if the method is unknown or does not fit the two, if student and teacher have no stride in common,
            in which case the message shows both pyramids, or if a config is not that of a detector.
    """
    check_settings(others, flow=flow, loss=loss, distiller=distiller, head_flow=head_flow)
    chosen, architecture = read_method(method), to_dict(architecture)
    if chosen.distiller is None:
        return architecture
    changes = {'flow': flow, 'head_flow': head_flow}
    check_flows(chosen, changes)
    loss, auto = without_auto(loss, others.get('balance'))
    student, pyramid = build_with_pyramid(architecture, 'student')
    matched: list[Matched] = [match_levels(pyramid, pyramid)]
    shares = [1.0]
    built: list[tuple[BaseModel, tuple[Level, ...]]] = []
    parts = copy.deepcopy(chosen.distiller)
    if chosen.reads_teacher:
        teachers, shares = weighted_teachers(teacher, teacher_ckpt, others.get('in_turn', False))
        if len(teachers) > 1:
            check_several(chosen)
        built = [build_with_pyramid(read_detector_config(each['teacher']), 'teacher') for each in teachers]
        for detector, _ in built:
            check_fit(chosen, student, detector)
        matched = in_common([match_levels(pyramid, of_teacher) for _, of_teacher in built])
        fill_sources(parts['teacher_recorders'], built[0][0])
        others.update(to_dict(teachers[0] if len(teachers) == 1 else dict(teacher=teachers)))
    fill_sources(parts.get('student_recorders'), student)
    fill_losses(chosen, parts, student, loss)
    if on_pyramid(chosen):
        matched = fill_levels(parts, matched, shares, (flow or {}).get('levels'))
    if auto:
        others['balance'] = balance_of(others.get('balance'), next(iter(parts['distill_losses'])), len(shares))
    head = head_settings(chosen, auxiliary_head, student, built[0][0] if built else None)
    if head is not None:
        add_auxiliary_head(parts, head)
    flows = fill_flows(chosen, changes, student, [level for level, _ in matched[0]])
    if 'connector' in flows:
        parts['connectors']['flow']['flow'] = flows['connector']
    if is_first_process() and on_pyramid(chosen):
        print(*map(describe_matched, matched), sep='\n')
    architecture = with_flows(architecture, flows)
    return dict(type=chosen.algorithm, architecture=architecture, distiller=merge(parts, distiller), **others)


def check_settings(others: dict, **dicts: Any) -> None:
    """Raise a ValueError for a setting that the algorithm does not have, or that is no dict."""
    for name, value in dicts.items():
        if value is not None and not isinstance(value, dict):
            raise ValueError(f'`{name}` of a pair must be a dict of settings, but got {value!r}')
    unknown = set(others) - set(SETTINGS)
    if unknown:
        raise ValueError(
            'a pair must have no other settings than architecture (the student), teacher, teacher_ckpt, '
            f'method, flow, loss, distiller, head_flow, auxiliary_head, {", ".join(SETTINGS)}, but got '
            f'{", ".join(sorted(unknown))}; what belongs to the student is set under `model.architecture`'
        )


def check_flows(method: Method, changes: dict[str, dict | None]) -> None:
    """Raise a ValueError if there are settings for a flow that the method does not have."""
    for name, value in changes.items():
        if value and getattr(method, name) is None:
            raise ValueError(
                f'`{name}` must be set for a method that has one, {", ".join(methods_with(name))}, but got {value} for '
                f'{method.name}; levels of features that are compared without a flow are set by `loss.levels`'
            )
    fixed = {'levels', 'shared'} & set(changes['flow'] or {}) if method.place == 'head_connector' else set()
    if fixed:
        raise ValueError(
            f'the flow of {method.name} must have no {", ".join(sorted(fixed))}, because it runs alike on all that the '
            f'head reads, but got {changes["flow"]}'
        )


def methods_with(flow: str) -> list[str]:
    """The names of the methods that have a 'flow' or a 'head_flow'."""
    return [name for name in method_names() if getattr(read_method(name), flow) is not None]


def build_with_pyramid(config: dict, side: str) -> tuple[BaseModel, tuple[Level, ...]]:
    """A detector and its pyramid; an error says whose it is."""
    try:
        detector = build_detector(config)
        return detector, find_pyramid(detector)
    except Exception as error:
        kind = '' if isinstance(error, ValueError) else f'{type(error).__name__}: '
        raise ValueError(f'the {side} cannot be distilled: {kind}{error}') from error


def on_pyramid(method: Method) -> bool:
    """Does its first loss compare levels of two pyramids?"""
    return method.place not in ('head', 'head_connector') and is_a(method.loss, LevelLoss)


def check_several(method: Method) -> None:
    """Raise a ValueError if a method cannot have several teachers."""
    if method.of_logits or not on_pyramid(method):
        raise ValueError(
            f'several teachers must be used with a method that compares features alone, as fmkt-theta or pkd, but got '
            f'{method.name}'
        )


def fill_losses(method: Method, parts: dict, student: BaseModel, changes: dict | None) -> None:
    """Fill in the losses of a method for a student, which may differ by its kind, and change the first as it is said.

    Args:
        method: the method.
        parts: its distiller, which is filled in.
        student: the student detector.
        changes: settings of the first loss that differ.
    """
    losses = parts['distill_losses']
    first, of_kind = next(iter(losses)), method.for_students.get(kind_of(student)) or {}
    of_first = {key: value for key, value in of_kind.items() if key not in losses}
    for name, settings in losses.items():
        losses[name] = merge(fill_heads(settings, find_head(student)), of_kind.get(name))
    losses[first] = with_new_names(merge(merge(losses[first], of_first), changes))
    check_arguments(losses[first])
    read_boxes(parts, first)


def fill_levels(parts: dict, matched: list[Matched], shares: list[float], levels: list[int] | None) -> list[Matched]:
    """Fill in the levels that the first loss compares, and add one like it for each further teacher.

    Args:
        parts: the distiller, which is filled in.
        matched: the levels that the student has in common with each teacher.
        shares: that of each teacher in the loss.
        levels: those of the student that a flow transports, if the user has said so.

    Returns:
        The levels that are compared, for each teacher.
    """
    first, loss = next(iter(parts['distill_losses'].items()))
    matched = [choose(pairs, loss.get('levels') if levels is None else levels) for pairs in matched]
    filled = [fill_loss(loss, pairs) for pairs in matched]
    if len(filled) > 1:
        filled = list(map(weighted, filled, shares))
    parts['distill_losses'][first], *further = filled
    for number, of_teacher in enumerate(further, 1):
        add_teacher(parts, first, number, of_teacher)
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


def fill_flows(
    method: Method, changes: dict[str, dict | None], student: BaseModel, levels: list[Level]
) -> dict[str, dict]:
    """The flows of a method for a student, by where they stand: 'neck', 'head' or 'connector'.

    Args:
        method: the method.
        changes: what differs from its `flow` and `head_flow`.
        student: the student detector.
        levels: those that a flow of the pyramid transports.
    """

    def before_classifier(flow: dict, changes: dict | None) -> dict:
        return fill_head_flow(merge(merge(flow, method.flow_for_students.get(kind_of(student))), changes), student)

    flows: dict[str, dict] = {}
    if method.flow is not None and method.place in ('neck', 'connector'):
        flows[method.place] = fill_flow(merge(method.flow, changes['flow']), levels)
    elif method.flow is not None:
        flow = before_classifier(method.flow, changes['flow'])
        if method.place == 'head':
            flows['head'] = flow
        else:  # a dense head runs alike on all levels, a box head on all proposals
            dense = kind_of(student) != 'two_stage'
            count = len(strides_of(student.bbox_head)) if dense else 1
            flows['connector'] = dict(flow, levels=tuple(range(count)), shared=True)
    if method.head_flow is not None:
        flows['head'] = before_classifier(method.head_flow, changes['head_flow'])
    return flows


def with_flows(architecture: dict, flows: dict[str, dict]) -> dict:
    """The student's config with the flows that are deployed."""
    if 'neck' in flows:
        architecture = with_flow_neck(architecture, flows['neck'])
    return with_flow_head(architecture, flows['head']) if 'head' in flows else architecture
