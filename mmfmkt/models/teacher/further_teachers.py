"""Several teachers: those after the first, whose pyramids are handed to recorders."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from mmengine.model import BaseModel
from mmrazor.models.task_modules import RecorderManager
from torch import Tensor, nn

from mmfmkt.models.recorders.recorders import TeacherPyramidRecorder

from .frozen_teacher import FrozenTeacher

KEYS = ('teacher', 'teacher_ckpt')


def listed_teachers(teacher: Any, checkpoint: Any) -> list[dict]:
    """The teachers that `teacher` and `teacher_ckpt` name, one or several, as dicts with these two keys at least.

    Raises:
        ValueError: if a list of teachers is empty, or if an entry is no such dict.
    """
    if not isinstance(teacher, (list, tuple)):
        return [dict(teacher=teacher, teacher_ckpt=checkpoint)]
    if checkpoint is not None:
        raise ValueError(
            f'`teacher_ckpt` must stand beside each of several teachers, but got {checkpoint} for all; write '
            'teacher=[dict(teacher=..., teacher_ckpt=...), ...]'
        )
    if not teacher or not all(isinstance(each, dict) and set(KEYS) <= set(each) for each in teacher):
        raise ValueError(
            '`teacher` must be a detector, or a list of at least one dict(teacher=..., teacher_ckpt=...), but got '
            f'{list(teacher)}'
        )
    return [dict(each) for each in teacher]


class FurtherTeachers:
    """The teachers after the first, numbered from 1. Each is frozen, checked, prepared and cached as the first is.

    They run backbone and neck only. Their pyramids are for recorders of the type 'mmrazor.TeacherPyramid'.

    Args:
        settings: `teacher` and `teacher_ckpt` of each.
        student: the student detector.
        inference: arguments of :class:`~mmfmkt.models.teacher.teacher_inference.TeacherInference`.

    Raises:
        ValueError: if one cannot be shown the student's images.
    """

    def __init__(self, settings: Sequence[dict], student: BaseModel, inference: dict | None) -> None:
        self.teachers = [
            FrozenTeacher(each['teacher'], each['teacher_ckpt'], student.data_preprocessor, inference)
            for each in settings
        ]
        for teacher in self.teachers:
            teacher.check_images(student, student.data_preprocessor)

    def __iter__(self) -> Iterator[FrozenTeacher]:
        return iter(self.teachers)

    def __deepcopy__(self, memo: dict) -> None:
        return None

    def apply_to_tensors(self, fn: Callable[[Tensor], Tensor]) -> None:
        for teacher in self.teachers:
            teacher.apply_to_tensors(fn)

    def prepare(self, images: Tensor, data_samples: list) -> None:
        """With the first batch: make them ready, and free their heads."""
        for teacher in self.teachers:
            teacher.prepare(images, data_samples)
            teacher.drop_heads([])

    def start(
        self, images: Tensor, data_samples: list | None = None, numbers: Collection[int] | None = None
    ) -> dict[int, tuple[Tensor, ...]]:
        """Number -> pyramid, of each or of those of these numbers; nobody must read them before :meth:`hand_over`."""
        return {
            number: teacher.start(images, data_samples)
            for number, teacher in enumerate(self.teachers, 1)
            if numbers is None or number in numbers
        }

    def hand_over(self, recorders: RecorderManager, pyramids: dict[int, tuple[Tensor, ...]]) -> None:
        """Give their pyramids to those who record them."""
        for number, pyramid in pyramids.items():
            self.teachers[number - 1].wait_for(pyramid)
        for recorder in recorders.recorders.values():
            if isinstance(recorder, TeacherPyramidRecorder) and recorder.teacher in pyramids:
                recorder.record(pyramids[recorder.teacher])


def check_pyramids(recorders: RecorderManager, further: Sequence[nn.Module] | FurtherTeachers) -> None:
    """Raise a ValueError if a recorder waits for the pyramid of a teacher that is not there."""
    number = len(list(further))
    for name, recorder in recorders.recorders.items():
        if isinstance(recorder, TeacherPyramidRecorder) and not 1 <= recorder.teacher <= number:
            raise ValueError(
                f'`teacher` of the recorder {name!r} must be the number of a further teacher, from 1 to {number}, but '
                f'got {recorder.teacher}'
            )
