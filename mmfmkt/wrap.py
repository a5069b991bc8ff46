"""From two detectors to a distillation: both are run once to find the levels that they have in common, and the configs of
`configs/_base_/` are filled in with them.
"""
import copy
from pathlib import Path

from mmengine.config import Config, ConfigDict

from .models.build import build_detector
from .models.config_files import read_detector_config
from .models.flow_transform import check_levels
from .models.pyramid import Level, describe_matched, find_pyramid, find_source, match_levels
from .processes import is_first_process

# variant, a file of configs/_base_ -> the algorithm that trains it
ALGORITHMS = {
    'fmkt': 'mmrazor.FMKTDistill',
    'fmkt-theta': 'mmrazor.FMKTDistill',
    'ofmkt': 'mmrazor.FMKTDistill',
    'ofmkt-theta': 'mmrazor.OFMKTThetaDistill',
}
# further arguments of the algorithms
SETTINGS = ('inherit', 'evaluate_teacher', 'log_only', 'check_classes', 'weight_schedule', 'task_weight', 'data_preprocessor',
            'init_cfg')
MOST_LEVELS = 4  # the finest; what is coarser has a few dozen locations
TWO_STAGE_WEIGHT = 6.0  # usual for PKD between the levels of two-stage detectors; 10 for others, as in configs/_base_


def pair_config(architecture: dict,
                teacher: str | dict | None = None,
                teacher_ckpt: str | None = None,
                variant: str = 'fmkt-theta',
                flow: dict | None = None,
                loss: dict | None = None,
                distiller: dict | None = None,
                **others) -> dict:
    """The config of the algorithm that distils a pair of detectors.

    Levels of student and teacher are matched by stride, and the four finest are transported. Where the channels of two
    levels differ, the loss projects the student's prediction with a 1x1 convolution.

    Args:
        architecture: config of the student detector.
        teacher: config file, 'package::' config or config dict of the teacher; not read by the variants without one.
        teacher_ckpt: file or address of its weights.
        variant: 'fmkt', 'fmkt-theta', 'ofmkt' or 'ofmkt-theta'.
        flow: settings of the flow that differ from the variant's, as `num_steps`; `levels` chooses levels of the student.
        loss: settings of the loss that differ from the variant's, as `loss_weight`.
        distiller: settings of the distiller that differ, as further recorders, connectors, losses and mappings.
        others: further arguments of the algorithm, as `inherit`.

    Raises:
        ValueError: if the variant is unknown, if student and teacher have no stride in common, in which case the message
            shows both pyramids, or if a config is not that of a detector.
    """
    check_settings(others)
    base, architecture = read_variant(variant), to_dict(architecture)
    filled, (pyramid, source) = base['distiller'], look_at(architecture, 'student')
    if filled['teacher_recorders']:
        of_teacher, teacher_source = look_at(read_detector_config(teacher), 'teacher')
        matched = match_levels(pyramid, of_teacher)
        filled['teacher_recorders']['pyramid']['source'] = teacher_source
        others.update(teacher=to_dict(teacher), teacher_ckpt=teacher_ckpt)
    else:
        matched = match_levels(pyramid, pyramid)
    matched = choose(matched, (flow or {}).get('levels'))
    if is_first_process():
        print(describe_matched(matched))
    flow = fill_flow(merge(base['flow'], flow), [level for level, _ in matched])
    if filled.get('connectors'):
        filled['connectors']['flow']['flow'] = flow
        filled['student_recorders']['pyramid']['source'] = source
    else:
        architecture = with_flow_neck(architecture, flow)
    fill_loss(filled, matched, 'roi_head' in architecture, loss)
    return dict(type=ALGORITHMS[variant], architecture=architecture, distiller=merge(filled, distiller), **others)


def check_settings(others: dict) -> None:
    """Raise a ValueError for a setting that the algorithm does not have."""
    unknown = set(others) - set(SETTINGS)
    if unknown:
        raise ValueError('a pair must have no other settings than architecture (the student), teacher, teacher_ckpt, '
                         f'variant, flow, loss, distiller, {", ".join(SETTINGS)}, but got {", ".join(sorted(unknown))}; what '
                         'belongs to the student is set under `model.architecture`')


def look_at(config: dict, side: str) -> tuple[tuple[Level, ...], str]:
    """The pyramid of a detector, and the part that returns it; an error says whose it is."""
    try:
        detector = build_detector(config)
        return find_pyramid(detector), find_source(detector)
    except Exception as error:
        kind = '' if isinstance(error, ValueError) else f'{type(error).__name__}: '
        raise ValueError(f'the {side} cannot be distilled: {kind}{error}') from error


def read_variant(variant: str) -> dict:
    """Flow and distiller of a variant, from `configs/_base_/`."""
    if variant not in list(ALGORITHMS):
        raise ValueError(f'`variant` must be one of {", ".join(ALGORITHMS)}, but got {variant!r}')
    package = Path(__file__).parent
    folder = next(folder for folder in (package / '.mim/configs', package.parent / 'configs') if folder.exists())
    base = Config.fromfile(folder / '_base_' / f'{variant}.py')
    base = base.to_dict()
    if base['distiller'].get('connectors'):
        base['flow'] = base['distiller']['connectors']['flow']['flow']
    return base


def to_dict(config: object) -> object:
    """A config as a dict of its own, so that filling it in changes nobody else's; what is no dict stays."""
    return copy.deepcopy(config.to_dict() if isinstance(config, ConfigDict) else config)


def merge(settings: dict, changes: dict | None) -> dict:
    """Settings with changes, merged as a config merges them with its base."""
    merged = Config(dict(settings=settings))
    merged.merge_from_dict(dict(settings=to_dict(changes or {})))
    return merged.to_dict()['settings']


def choose(matched: list[tuple[Level, Level]], levels: list[int] | None) -> list[tuple[Level, Level]]:
    """The pairs of these levels of the student, or the four finest."""
    if levels is None:
        return matched[:MOST_LEVELS]
    levels, of_student = check_levels(levels), {pair[0].index: pair for pair in matched}
    if not set(levels) <= set(of_student):
        raise ValueError('`levels` of the flow must be levels of the student that the teacher has too, '
                         f'{sorted(of_student)}, but got {list(levels)}')
    return [of_student[level] for level in levels]


def fill_flow(flow: dict, levels: list[Level]) -> dict:
    """The flow of these levels of the student, with their channels."""
    channels = [level.channels for level in levels]
    given = flow['meta_encoder']
    encoders = given if isinstance(given, (list, tuple)) else [given] * len(levels)
    encoders = [dict(encoder, channels=number) for encoder, number in zip(encoders, channels)]
    return dict(
        flow,
        levels=tuple(level.index for level in levels),
        meta_encoder=encoders[0] if all(encoder == encoders[0] for encoder in encoders) else encoders)


def with_flow_neck(architecture: dict, flow: dict) -> dict:
    """The student, its neck a FlowNeck."""
    return dict(architecture, neck=dict(type='mmdet.FlowNeck', neck=architecture.get('neck'), flow=flow))


def fill_loss(distiller: dict, matched: list[tuple[Level, Level]], two_stage: bool, changes: dict | None) -> None:
    """Set what the loss has to know of the levels of student and teacher."""
    (name, loss), = distiller['distill_losses'].items()
    if distiller['teacher_recorders']:
        if any(student.index != teacher.index for student, teacher in matched):
            loss['teacher_levels'] = tuple(teacher.index for _, teacher in matched)
        if any(student.channels != teacher.channels for student, teacher in matched):
            loss['transform'] = [projection(student.channels, teacher.channels) for student, teacher in matched]
        if two_stage:
            loss['loss_weight'] = TWO_STAGE_WEIGHT
    distiller['distill_losses'][name] = merge(loss, changes)


def projection(in_channel: int, out_channel: int) -> dict | None:
    """A 1x1 convolution between different numbers of channels."""
    if in_channel == out_channel:
        return None
    return dict(type='mmrazor.ConvModuleConnector', in_channel=in_channel, out_channel=out_channel, act_cfg=None)
