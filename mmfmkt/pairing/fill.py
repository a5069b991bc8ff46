"""Filling a method's flow and loss in with the levels and channels of a pair."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

from mmengine.config import Config
from mmengine.model import BaseModel
from mmrazor.registry import MODELS
from torch import nn

from mmfmkt.common.registered_names import with_registered_names
from mmfmkt.detectors.classifier import classifier_width, find_classifier_name
from mmfmkt.detectors.comparable_heads import find_head
from mmfmkt.detectors.pyramid import Level, find_source
from mmfmkt.models.flows.pyramid_flow import check_levels, for_each
from mmfmkt.models.losses.feature_loss import FeatureLoss
from mmfmkt.models.losses.level_loss import LevelLoss
from mmfmkt.models.losses.targets import TeacherTarget
from mmfmkt.models.metrics.build import reads_of

Matched = Sequence[tuple[Level, Level]]  # levels of student and teacher
MOST_LEVELS = 4  # the finest; what is coarser has a few dozen locations
# name of a recorder -> the part of a detector that it listens to
SOURCES: dict[str, Callable[[BaseModel], str]] = dict(
    pyramid=find_source,
    head=find_head,
    head_flow=lambda detector: f'{find_head(detector)}.flow',
    loss_cls=lambda detector: f'{find_head(detector)}.loss_cls',
    classifier=lambda detector: f'{find_head(detector)}.{find_classifier_name(head_of(detector))}',
)
# an argument of a part of a loss -> whose channels it is
CHANNELS = dict(student_channels=0, in_channel=0, teacher_channels=1, out_channel=1)


def to_dict(config: Any) -> Any:
    """A config as a dict of its own, so that filling it in changes nobody else's; what is no dict stays."""
    return with_registered_names(config)


def merge(settings: dict, changes: dict | None) -> dict:
    """Settings with changes, merged as a config merges them with its base."""
    merged = Config(dict(settings=settings))
    merged.merge_from_dict(dict(settings=to_dict(changes or {})))
    return merged.to_dict()['settings']


def choose(matched: Matched, levels: list[int] | None) -> Matched:
    """The pairs of these levels of the student, or the four finest."""
    if levels is None:
        return matched[:MOST_LEVELS]
    wanted, of_student = check_levels(levels), {pair[0].index: pair for pair in matched}
    if not set(wanted) <= set(of_student):
        raise ValueError(
            '`levels` must be levels of the student that the teacher has too, '
            f'{sorted(of_student)}, but got {list(wanted)}'
        )
    return [of_student[level] for level in wanted]


def head_of(detector: BaseModel) -> nn.Module:
    """The part that returns the logits of boxes."""
    return detector.get_submodule(find_head(detector))


def fill_sources(recorders: dict | None, detector: BaseModel) -> None:
    """Set what the recorders with a name in `SOURCES` listen to."""
    for name, recorder in (recorders or {}).items():
        if name in SOURCES:
            recorder['source'] = SOURCES[name](detector)


def encoder_of(flow: dict) -> Any:
    """The meta-encoder of a flow, or a ValueError if it has none."""
    if not flow.get('meta_encoder'):
        raise ValueError(f"a flow must have `meta_encoder`, as dict(type='mmrazor.LightMetaEncoder'), but got {flow}")
    return flow['meta_encoder']


def fill_flow(flow: dict, levels: list[Level]) -> dict:
    """The flow of these levels of the student, with their channels.

    Raises:
        ValueError: if there are not as many meta-encoders as levels.
    """
    keys = ['shared'] if flow.get('shared') else [str(level.index) for level in levels]
    given = cycle(for_each(keys, encoder_of(flow)).values())
    encoders = [dict(encoder, channels=level.channels) for encoder, level in zip(given, levels)]
    return dict(
        flow,
        levels=tuple(level.index for level in levels),
        meta_encoder=encoders[0] if all(encoder == encoders[0] for encoder in encoders) else encoders,
    )


def fill_head_flow(flow: dict, student: BaseModel) -> dict:
    """The flow before the classifier of the student's head, with the channels of what that reads."""
    encoder = dict(encoder_of(flow), channels=classifier_width(head_of(student)))
    return dict(flow, meta_encoder=encoder)


def with_flow_neck(architecture: dict, flow: dict) -> dict:
    """The student, its neck a FlowNeck."""
    return dict(architecture, neck=dict(type='mmdet.FlowNeck', neck=architecture.get('neck'), flow=flow))


def with_flow_head(architecture: dict, flow: dict) -> dict:
    """The student, its dense head, or the box head of its RoI head, a FlowHead."""
    roi_head = architecture.get('roi_head')
    part = roi_head or architecture
    part = dict(part, bbox_head=dict(type='mmdet.FlowHead', head=part['bbox_head'], flow=flow))
    return dict(architecture, roi_head=part) if roi_head else part


def fill_heads(config: dict, head: str) -> dict:
    """A loss of logits, with the student's head wherever it names one."""
    filled = {key: fill_heads(value, head) if isinstance(value, dict) else value for key, value in config.items()}
    return dict(filled, head=head) if 'head' in filled else filled


def read_boxes(distiller: dict, name: str) -> None:
    """Let a loss between levels, whose metric reads boxes, get the data samples of the batch."""
    if not is_a(distiller['distill_losses'][name], LevelLoss):
        return
    metric = distiller['distill_losses'][name].get('metric')
    metrics = metric if isinstance(metric, (list, tuple)) else [metric]
    if not any(reads_of(MODELS.get(each['type'])) for each in metrics if isinstance(each, dict)):
        return
    distiller.setdefault('student_recorders', {}).setdefault('data_samples', dict(type='mmrazor.DataSamples'))
    mapping = distiller['loss_forward_mappings'].setdefault(name, {})
    mapping.setdefault('data_samples', dict(recorder='data_samples', from_student=True))


def fill_loss(loss: dict, matched: Matched) -> dict:
    """A loss between levels, with what it has to know of those of student and teacher; another loss as it is.

    A metric or projection that has channels has weights too, so that every level gets one of its own.
    """
    if not is_a(loss, LevelLoss):
        return loss
    loss = dict(loss)
    filled: dict[str, Any] = {}
    if is_a(loss, FeatureLoss):  # others know the levels from their trajectories
        filled['levels'] = tuple(student.index for student, _ in matched)
    if any(student.index != teacher.index for student, teacher in matched):
        set_teacher_levels(loss, tuple(teacher.index for _, teacher in matched))
    if any(student.channels != teacher.channels for student, teacher in matched):
        filled['transform'] = [projection(student.channels, teacher.channels) for student, teacher in matched]
    loss.update({name: value for name, value in filled.items() if name not in loss})
    for name in ('metric', 'transform'):
        if isinstance(loss.get(name), dict) and CHANNELS.keys() & loss[name].keys():
            loss[name] = [with_channels(loss[name], pair) for pair in matched]
    return loss


def set_teacher_levels(loss: dict, levels: tuple[int, ...]) -> None:
    """Set the levels of the teacher, unless the loss says them, or has another target than a teacher."""
    if is_a(loss, FeatureLoss):
        loss.setdefault('teacher_levels', levels)
        return
    target = loss.get('target') or dict(type='mmrazor.TeacherTarget')
    if is_a(target, TeacherTarget):
        loss['target'] = {'levels': levels, **target}


def is_a(loss: dict, kind: type) -> bool:
    part = MODELS.get(loss['type'])
    return isinstance(part, type) and issubclass(part, kind)


def with_channels(part: dict, pair: tuple[Level, Level]) -> dict:
    """The config of a metric or projection, with the channels of a level of student and teacher."""
    return {name: pair[CHANNELS[name]].channels if name in CHANNELS else value for name, value in part.items()}


def projection(in_channel: int, out_channel: int) -> dict | None:
    """A 1x1 convolution between different numbers of channels."""
    if in_channel == out_channel:
        return None
    return dict(type='mmrazor.ConvModuleConnector', in_channel=in_channel, out_channel=out_channel, act_cfg=None)
