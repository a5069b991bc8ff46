"""The algorithm that a runner trains: student, frozen teacher, distiller."""
from __future__ import annotations

from typing import Callable

from mmengine.model import BaseModel
from mmrazor.models.algorithms import BaseAlgorithm
from mmrazor.models.utils import add_prefix
from mmrazor.registry import MODELS
from torch import Tensor

from ..class_count import check_class_counts
from ..detector import build_detector
from ..transparent import show_child_as_own
from .frozen_teacher import FrozenTeacher


@MODELS.register_module()
class FMKTDistill(BaseAlgorithm):
    """Trains a student detector with its own losses and a distiller's, read off a frozen teacher.

    The teacher runs its backbone and neck only. In the state dict the student has the keys of the stock detector, the
    distiller's connectors and losses stand under `distiller.*`, and the teacher is absent. Prediction is the student's.

    Args:
        architecture: config of the student detector, or the detector.
        teacher: config file, 'package::' config or config dict of the teacher detector.
        teacher_ckpt: file or address of the teacher's weights, which are loaded strictly.
        distiller: config of a `ConfigurableDistiller` of MMRazor.

    Raises:
        TypeError: if there is no teacher.
        ValueError: if the checkpoint is not given or is not the teacher's, or if student and teacher differ in classes.
        FileNotFoundError: if the checkpoint is not there.
    """

    def __init__(self,
                 architecture: dict | BaseModel,
                 distiller: dict,
                 teacher: str | dict | None = None,
                 teacher_ckpt: str | None = None,
                 **kwargs) -> None:
        super().__init__(build_detector(architecture), **kwargs)
        self.teacher = FrozenTeacher(teacher, teacher_ckpt)
        check_class_counts(self.architecture, self.teacher.detector)
        self.distiller = MODELS.build(distiller)
        self.distiller.prepare_from_student(self.architecture)
        self.distiller.prepare_from_teacher(self.teacher.detector)
        show_child_as_own(self, 'architecture')

    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
        """The student's losses under their own names, the distiller's under `distill.*`; images are (B, 3, H, W)."""
        with self.distiller.teacher_recorders:
            self.teacher.extract_features(inputs)
        with self.distiller.student_recorders:
            losses = super().loss(inputs, data_samples)
        return {**losses, **add_prefix(self.distiller.compute_distill_losses(), 'distill')}

    def _apply(self, fn: Callable, *args, **kwargs) -> FMKTDistill:
        self.teacher.detector._apply(fn, *args, **kwargs)  # .to(device) and the like move the teacher too
        return super()._apply(fn, *args, **kwargs)
