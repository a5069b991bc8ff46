"""Comparing student and teacher once, on an empty image, before anything is trained."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import torch
from mmdet.structures import DetDataSample
from mmengine.logging import print_log
from mmengine.model import BaseModel
from mmengine.structures import InstanceData
from mmrazor.models.distillers import ConfigurableDistiller
from torch import Tensor, nn

from mmfmkt.detectors.channels import image_channels
from mmfmkt.detectors.evaluating import evaluating, on_empty_image
from mmfmkt.models.losses.box_loss import BoxLoss
from mmfmkt.models.losses.cross_head_loss import CrossHeadLoss
from mmfmkt.models.losses.level_loss import LevelLoss, matched_features
from mmfmkt.models.losses.logit_loss import LogitLoss
from mmfmkt.models.recorders.recorded_heads import HEADS, forget_records, hand_over, parts_of, run_heads
from mmfmkt.models.recorders.recorder_sources import recorder_of
from mmfmkt.models.teacher.frozen_teacher import FrozenTeacher
from mmfmkt.models.teacher.further_teachers import FurtherTeachers

from .protocols import KnowsWhatFits

ROIS = ((0, 0, 0, 64, 64), (0, 32, 32, 128, 128))


def check_fit(distiller: ConfigurableDistiller, student: BaseModel, teacher: BaseModel) -> None:
    """Raise a ValueError if a loss, or its metric, says that it cannot compare the two."""
    for name, loss in distiller.distill_losses.items():
        for part in loss.modules():
            reason = part.misfit(student, teacher) if isinstance(part, KnowsWhatFits) else None
            if reason:
                raise ValueError(f'{name} ({type(part).__name__}) must fit student and teacher, but {reason}')


def check_losses(
    distiller: ConfigurableDistiller,
    student: BaseModel,
    teacher: FrozenTeacher | None,
    teacher_heads: list[str],
    further: FurtherTeachers,
) -> None:
    """Compute the losses of this project on an empty image, which finds channels, strides or anchors that do not agree.

    Detectors that do not run on a CPU are not checked; a warning says so, and the error would come with the first
    batch.

    Args:
        distiller: recorders, connectors and losses.
        student: the student detector.
        teacher: the teacher, if there is one.
        teacher_heads: those of its heads that the recorders listen to.
        further: the teachers after the first.

    Raises:
        ValueError: if a loss cannot compare the two, in which case the message has the shapes of both, or if a part of
            the teacher is recorded that does not run.
    """
    losses = {
        name: loss
        for name, loss in distiller.distill_losses.items()
        if isinstance(loss, (LevelLoss, LogitLoss, BoxLoss, CrossHeadLoss)) and name in distiller.loss_forward_mappings
    }
    if not losses:
        return
    with evaluating(student), evaluating(distiller), distiller.student_recorders, distiller.teacher_recorders:
        try:
            on_empty_image(
                lambda images: run_detectors(distiller, losses, student, teacher, teacher_heads, further, images),
                image_channels(student),
            )
        except RuntimeError as error:  # an operator without a CPU version, say; training will tell whether it matters
            print_log(
                f'student and teacher were not compared before training, because they do not run on an empty image '
                f'on a CPU: {error}',
                'current',
                logging.WARNING,
            )
            losses = {}
        for name, loss in losses.items():
            records = distiller.loss_forward_mappings[name]
            if all(is_recorded(distiller, **record) for record in records.values()):
                arguments = {argument: distiller.get_record(**record) for argument, record in records.items()}
                compute(name, loss, arguments)
                if isinstance(loss, LevelLoss):
                    print_log(f'{name} compares {describe_matched(loss, arguments)}', 'current')
    forget_records(distiller)


def compute(name: str, loss: nn.Module, arguments: dict[str, Any]) -> None:
    """Compute a loss; PyTorch's error about shapes becomes one that names the loss."""
    try:
        loss(**arguments)
    except RuntimeError as error:
        raise ValueError(
            f'{name} ({type(loss).__name__}) must fit the features of student and teacher, but its parts do not '
            f'run on them: {error}'
        ) from error


def describe_matched(loss: LevelLoss, arguments: dict[str, Any]) -> str:
    """The levels of student and teacher that a loss compares, with their shapes on the empty image, for the log."""
    sources = loss.sources(arguments.get('trajectories', arguments.get('student_features')))
    shapes = {level: f'level {level} {tuple(source.shape[1:])}' for level, source in sources.items()}
    if arguments.get('teacher_features') is None:
        return f'{", ".join(shapes.values())} with their own outputs'
    matched = matched_features(sources, arguments['teacher_features'], loss.teacher_levels)
    return ', '.join(
        f'{shapes[level]} with {index} {tuple(target.shape[1:])}' for level, (index, target) in matched.items()
    )


def is_recorded(distiller: ConfigurableDistiller, recorder: str, from_student: bool, **indices: Any) -> bool:
    """Has the recorder seen anything? A student's has not if it listens to what only a whole iteration runs."""
    listener = recorder_of(distiller, recorder, from_student)
    if not listener.data_buffer and not from_student:
        raise ValueError(
            f'a recorder must listen to a part of the teacher that runs, its backbone, neck, dense head or box '
            f'head, but {recorder!r} with the source {listener.source!r} saw nothing'
        )
    return len(listener.data_buffer) > 0


def run_detectors(
    distiller: ConfigurableDistiller,
    losses: Iterable[str],
    student: BaseModel,
    teacher: FrozenTeacher | None,
    teacher_heads: list[str],
    further: FurtherTeachers,
    images: Tensor,
) -> None:
    """Run what these losses read of student and teacher."""
    forget_records(distiller)  # of an image that was too small
    hand_over(distiller.student_recorders, [nothing_on(images)])
    read = [record for name in losses for record in distiller.loss_forward_mappings[name].values()]
    recorders = [
        distiller.student_recorders.get_recorder(record['recorder']) for record in read if record['from_student']
    ]
    rois = torch.tensor(ROIS, dtype=torch.float32)
    parts = parts_of(recorders)
    run_heads(student, [head for head in HEADS if head in parts], student.extract_feat(images), rois)
    if teacher:
        teacher.run_heads(teacher_heads, teacher.extract_features(images), rois)
    further.hand_over(distiller.teacher_recorders, further.start(images))


def nothing_on(images: Tensor) -> DetDataSample:
    """The ground truth of the empty image: no boxes."""
    return DetDataSample(
        metainfo=dict(batch_input_shape=tuple(images.shape[2:])),
        gt_instances=InstanceData(bboxes=images.new_zeros(0, 4)),
    )
