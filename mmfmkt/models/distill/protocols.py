"""What a connector or a loss of a distiller may have besides being a module.

The algorithm asks for it by these protocols.
"""

from typing import Protocol, runtime_checkable

from mmengine.model import BaseModel


@runtime_checkable
class PreparesFromStudent(Protocol):
    """A part that looks something up in the student once, before training."""

    def prepare_from_student(self, student: BaseModel) -> None:
        """Look it up; no module of the student may become a child."""


@runtime_checkable
class PreparesFromTeacher(Protocol):
    """A part that looks something up in the teacher once, before training.

    The heads of the teacher stay in memory for it, unless it has `keeps_teacher = False`.
    """

    def prepare_from_teacher(self, teacher: BaseModel) -> None:
        """Look it up; no module of the teacher may become a child."""


@runtime_checkable
class KnowsWhatFits(Protocol):
    """A loss or metric that knows which detectors it can compare, so that others are refused with the reason."""

    @staticmethod
    def misfit(student: BaseModel, teacher: BaseModel) -> str | None:
        """Why it cannot compare the two; None if it can."""
