"""From two detectors to a distillation: both are run once to find the levels that they have in common, and the configs of
`configs/_base_/` are filled in with them.
"""
import copy
from pathlib import Path

from mmengine.config import Config, ConfigDict

from .models.build import build_detector
from .models.config_files import read_detector_config
from .models.pyramid import Level, describe_matched, find_pyramid, find_source, match_levels
from .processes import is_first_process

# variant, a file of configs/_base_ -> the algorithm that trains it
ALGORITHMS = {
    'fmkt': 'mmrazor.FMKTDistill',
    'fmkt-theta': 'mmrazor.FMKTDistill',
    'ofmkt': 'mmrazor.FMKTDistill',
    'ofmkt-theta': 'mmrazor.OFMKTThetaDistill',
}
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
    base, architecture = read_variant(variant), to_dict(architecture)
    student = build_detector(architecture)
    pyramid, filled = find_pyramid(student), base['distiller']
    if filled['teacher_recorders']:
        detector = build_detector(read_detector_config(teacher))
        matched = match_levels(pyramid, find_pyramid(detector))
        filled['teacher_recorders']['pyramid']['source'] = find_source(detector)
        others.update(teacher=to_dict(teacher), teacher_ckpt=teacher_ckpt)
    else:
        matched = match_levels(pyramid, pyramid)
    matched = choose(matched, (flow or {}).get('levels'))
    if is_first_process():
        print(describe_matched(matched))
    flow = fill_flow(merge(base['flow'], flow), [level for level, _ in matched])
    if filled.get('connectors'):
        filled['connectors']['flow']['flow'] = flow
        filled['student_recorders']['pyramid']['source'] = find_source(student)
    else:
        architecture = with_flow_neck(architecture, flow)
    fill_loss(filled, matched, 'roi_head' in architecture, loss)
    return dict(type=ALGORITHMS[variant], architecture=architecture, distiller=merge(filled, distiller), **others)


def read_variant(variant: str) -> dict:
    """Flow and distiller of a variant, from `configs/_base_/`."""
    if variant not in ALGORITHMS:
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
    of_student = {pair[0].index: pair for pair in matched}
    if not levels or not set(levels) <= set(of_student):
        raise ValueError(f'`levels` of the flow must be levels of the student that the teacher has too, {sorted(of_student)}, '
                         f'but got {list(levels)}')
    return [of_student[level] for level in levels]


def fill_flow(flow: dict, levels: list[Level]) -> dict:
    """The flow of these levels of the student, with their channels."""
    channels = [level.channels for level in levels]
    encoders = [dict(flow['meta_encoder'], channels=number) for number in channels]
    return dict(
        flow,
        levels=tuple(level.index for level in levels),
        meta_encoder=encoders[0] if len(set(channels)) == 1 else encoders)


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
