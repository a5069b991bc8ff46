"""The algorithm that a runner trains: student, frozen teacher, distiller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmengine.model import BaseModel
from mmrazor.models.algorithms import BaseAlgorithm
from mmrazor.models.task_modules import ModuleInputsRecorder
from mmrazor.models.utils import add_prefix
from mmrazor.registry import MODELS
from torch import Tensor, nn

from mmfmkt.common.building import build_detector, build_settings
from mmfmkt.common.deprecated import with_new_names
from mmfmkt.common.memory_layout import keep_strides_of_gradients
from mmfmkt.common.state_dict_keys import show_child_as_own
from mmfmkt.detectors.class_count import check_class_counts
from mmfmkt.detectors.comparable_heads import heads_of
from mmfmkt.detectors.pyramid import check_branches, find_source
from mmfmkt.models.losses.loss_dicts import scaled, unused
from mmfmkt.models.recorders.recorded_heads import hand_over, reads_inside, recorded_heads
from mmfmkt.models.recorders.recorder_sources import check_distiller, check_losses_named, check_sources
from mmfmkt.models.recorders.recorders import teacher_of
from mmfmkt.models.teacher.frozen_teacher import FrozenTeacher
from mmfmkt.models.teacher.further_teachers import FurtherTeachers, check_pyramids, listed_teachers
from mmfmkt.models.teacher.settings import TeacherSettings

from .dry_run import check_fit, check_losses
from .gradient_balance import build_balance
from .inherit import check_inherit, inherit
from .protocols import PreparesFromStudent, PreparesFromTeacher
from .recorded_losses import left_out, losses_of_recorded, mappings_of_turn, turn_of
from .unlabelled import mappings_without_labels, mean_over_images, with_boxes
from .weight_schedule import WeightSchedule

ROIS = 'mmfmkt.rois'  # the recorder of the boxes that the student's RoI head is trained on


@MODELS.register_module()
class FMKTDistill(BaseAlgorithm):
    """Trains a student detector with its own losses and a distiller's, read off a frozen teacher.

    The teacher runs its backbone and neck if it is recorded, and a head if that is: a dense head on its own features, a
    RoI head on the student's proposals. In the state dict the student has the keys of the stock detector, the
    distiller's connectors and losses stand under `distiller.*`, and the teacher is absent. Prediction is the student's.

    Args:
        architecture: config of the student detector, or the detector.
        distiller: config of a `ConfigurableDistiller` of MMRazor. Its connectors and losses may have the methods of
            :mod:`~mmfmkt.models.distill.protocols`.
        log_only: names of losses of the distiller that are computed and logged, and not trained; these alone may lack
            "loss" in their name.
        weight_schedule: arguments of a :class:`WeightSchedule`, by which `WeightScheduleHook` sets `distill_weight`.
        balance: arguments of a :class:`~mmfmkt.models.distill.gradient_balance.GradientBalance`, which weighs some of
            the distiller's losses.
        data_preprocessor: that of a config which states it beside the model; the student's own comes first.
        init_cfg: see MMEngine's `BaseModule`.
        teacher: the settings of :class:`~mmfmkt.models.teacher.settings.TeacherSettings`, each by its name.

    Attributes:
        further: the teachers after the first.
        distill_weight: factor of all losses of the distiller, in [0, 1].
        distilling: False after :meth:`stop_distillation`.
        unlabelled: for the next forward pass, a batch of images without labels as a data loader gives it; the losses
            of features are then means over all images.

    Raises:
        TypeError: if there is no teacher and the distiller records one.
        ValueError: if the checkpoint is not given or is not the teacher's, if student and teacher differ in classes, if
            a recorder listens to what is not there or does not run, if a loss would not be trained, if a loss cannot
            compare the two, or if nothing of the teacher's fits into a part that inherits it.
        FileNotFoundError: if the checkpoint is not there.
        ConnectionError: if its address cannot be reached.
    """

    def __init__(
        self,
        architecture: dict | BaseModel,
        distiller: dict,
        log_only: Sequence[str] = (),
        weight_schedule: dict | None = None,
        balance: dict | None = None,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
        **teacher: Any,
    ) -> None:
        if data_preprocessor and isinstance(architecture, dict):  # as a runner gives it to a detector that has none
            architecture = {'data_preprocessor': data_preprocessor, **architecture}
        super().__init__(build_detector(architecture), init_cfg=init_cfg)
        check_distiller(distiller)
        self.distiller = MODELS.build(with_new_names(distiller))
        check_losses_named(self.distiller, log_only)
        self.weight_schedule = WeightSchedule(**weight_schedule or {})
        self.distill_weight, self.distilling = 1.0, True
        self.distiller.balance = build_balance(balance, self.distiller, self.architecture)
        self.unlabelled: dict | None = None
        settings = build_settings(TeacherSettings, teacher, type(self).__name__)
        self.inherits, self.evaluate_teacher, self.check_classes, self.in_turn = (
            settings.inherit,
            settings.evaluate_teacher,
            settings.check_classes,
            settings.in_turn,
        )
        self.teacher: FrozenTeacher | None = None
        self.further = FurtherTeachers((), self.architecture, None)
        self.teacher_heads: list[str] = []
        self.teacher_prepared = False
        if settings.teacher is not None or self.distiller.teacher_recorders.recorders:
            first, *others = listed_teachers(settings.teacher, settings.teacher_ckpt)
            self.teacher = FrozenTeacher(
                first['teacher'], first['teacher_ckpt'], self.data_preprocessor, settings.teacher_inference
            )
            self.further = FurtherTeachers(others, self.architecture, settings.teacher_inference)
            self.prepare_from_teacher(self.teacher.detector)
            if self.evaluate_teacher:
                check_detect(self.teachers())
        elif self.inherits or self.evaluate_teacher:
            raise ValueError(
                '`inherit` and `evaluate_teacher` must be used with a teacher, but there is none; set `teacher`'
            )
        self.prepare_from_student()
        if self.distiller.balance:
            self.distiller.balance.turns = self.turns
        check_losses(self.distiller, self.architecture, self.teacher, self.teacher_heads, self.further)
        keep_strides_of_gradients(self)
        show_child_as_own(self, 'architecture')

    def prepare_from_teacher(self, teacher: BaseModel) -> None:
        assert self.teacher is not None
        recorders = self.distiller.teacher_recorders
        if self.check_classes:
            check_class_counts(self.architecture, *(each.detector for each in self.teachers()))
        check_branches(self.architecture)
        self.teacher.check_images(self.architecture, self.data_preprocessor)
        check_inherit(self.architecture, teacher, self.inherits)
        check_sources(recorders, teacher, 'teacher')
        check_pyramids(recorders, self.further)
        if self.teacher.inference.cache and reads_inside(recorders, teacher):
            raise ValueError(
                '`teacher_inference.cache` must be used with recorders of the whole pyramid, '
                f'{find_source(teacher)!r}, but there is one inside of backbone or neck'
            )
        self.teacher_heads = recorded_heads(recorders, teacher)
        check_fit(self.distiller, self.architecture, teacher)
        self.distiller.prepare_from_teacher(teacher)
        for part in self.parts_of_distiller():
            if isinstance(part, PreparesFromTeacher):
                part.prepare_from_teacher(teacher)

    def prepare_teacher(self, inputs: Tensor, data_samples: list) -> None:
        """With the first batch of a training: nobody looks at the whole teacher any more."""
        assert self.teacher is not None
        self.teacher_prepared = True
        self.further.prepare(inputs, data_samples)
        if not reads_inside(self.distiller.teacher_recorders, self.teacher.detector):
            self.teacher.prepare(inputs, data_samples)
        parts = self.parts_of_distiller()
        if not any(isinstance(each, PreparesFromTeacher) and getattr(each, 'keeps_teacher', True) for each in parts):
            self.teacher.drop_heads(self.teacher_heads)

    def teachers(self) -> list[FrozenTeacher]:
        """All teachers, in their order."""
        return [self.teacher, *self.further] if self.teacher else []

    def parts_of_distiller(self) -> list[nn.Module]:
        """Its connectors and losses, and what is in them."""
        return [module for module in self.distiller.modules() if module is not self.distiller]

    def prepare_from_student(self) -> None:
        if 'roi_head' in self.teacher_heads:
            self.distiller.student_recorders.recorders[ROIS] = ModuleInputsRecorder('roi_head.bbox_roi_extractor')
        check_sources(self.distiller.student_recorders, self.architecture, 'student')
        self.distiller.prepare_from_student(self.architecture)
        for part in self.parts_of_distiller():
            if isinstance(part, PreparesFromStudent):
                part.prepare_from_student(self.architecture)

    def init_weights(self) -> None:
        """Initialise the student and what distillation adds; then let the student inherit."""
        super().init_weights()
        if self.inherits:
            assert self.teacher is not None
            inherit(self.architecture, self.teacher.detector, self.inherits)

    def __getattr__(self, name: str) -> Any:
        """What the algorithm lacks is looked for in the student.

        Hooks expect a detector; that of YOLOX sets a flag in it.
        """
        try:
            return super().__getattr__(name)
        except AttributeError:
            if 'architecture' not in self.__dict__.get('_modules', {}):
                raise
            return getattr(self.architecture, name)

    def loss(self, inputs: Tensor, data_samples: list) -> dict[str, Tensor]:
        """The student's losses under their own names, the distiller's under `distill.*`; images are (B, 3, H, W)."""
        if not self.distilling:
            return {**super().loss(inputs, data_samples), **unused(self.distiller)}
        if self.teacher and not self.teacher_prepared:
            self.prepare_teacher(inputs, data_samples)
        batch, self.unlabelled = self.unlabelled, None
        of_unlabelled = self.unlabelled_losses(batch) if batch else {}
        student_recorders = self.distiller.student_recorders
        with self.distiller.teacher_recorders, student_recorders:
            hand_over(student_recorders, data_samples)
            features, of_further = self.start_teachers(inputs, data_samples)
            losses = super().loss(inputs, data_samples)
            self.further.hand_over(self.distiller.teacher_recorders, of_further)
            if self.teacher and features:
                self.teacher.wait_for(features)
                if self.teacher_heads:
                    boxes = student_recorders.recorders.get(ROIS)
                    self.teacher.run_heads(self.teacher_heads, features, boxes and boxes.get_record_data(0, 1))
        mappings = mappings_of_turn(self.distiller, self.turn())
        distill_losses = losses_of_recorded(self.distiller, mappings)
        if self.distiller.balance:
            self.distiller.balance.measure(losses, distill_losses)
        if batch:
            number = len(batch['inputs'])
            distill_losses = mean_over_images(distill_losses, of_unlabelled, number / (number + len(inputs)))
        if self.distiller.balance:
            distill_losses = self.distiller.balance(distill_losses)
        if self.distill_weight != 1:
            distill_losses = {**distill_losses, **scaled(distill_losses, self.distill_weight)}
        untrained = unused(*left_out(self.distiller, mappings))
        return {**losses, **add_prefix(distill_losses, 'distill'), **untrained}

    def unlabelled_losses(self, batch: dict) -> dict[str, Tensor]:
        """The losses that compare features, of a batch of images without labels."""
        data = self.data_preprocessor(with_boxes(batch), True)
        with self.distiller.teacher_recorders, self.distiller.student_recorders:
            images = data['inputs'], data['data_samples']
            features, of_further = self.start_teachers(*images)
            self.architecture.extract_feat(data['inputs'])
            self.further.hand_over(self.distiller.teacher_recorders, of_further)
            if self.teacher and features:
                self.teacher.wait_for(features)
        of_turn = mappings_of_turn(self.distiller, self.turn())
        without = mappings_without_labels(self.distiller)
        return losses_of_recorded(self.distiller, {name: without[name] for name in without if name in of_turn})

    @property
    def turns(self) -> int:
        """How many iterations it takes until every teacher has had its turn."""
        return len(self.teachers()) if self.in_turn and self.teacher else 1

    def turn(self) -> int | None:
        """The number of the teacher that this iteration has, or None if it has all."""
        return turn_of(self.turns) if self.in_turn and self.teacher else None

    def start_teachers(self, inputs: Tensor, data_samples: list) -> tuple[tuple[Tensor, ...], dict]:
        """The pyramid of the first teacher, if it runs, and those of the further ones that do, by their number.

        One that no recorder listens to does not run.
        """
        numbers = {teacher_of(recorder) for recorder in self.distiller.teacher_recorders.recorders.values()}
        if (turn := self.turn()) is not None:
            numbers &= {turn}
        features = self.teacher.start(inputs, data_samples) if self.teacher and 0 in numbers else ()
        return features, self.further.start(inputs, data_samples, numbers)

    def parse_losses(self, losses: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """As MMEngine's, with gradients of NaN if the sum is not finite.

        They are NaN in every parameter, so that all processes know.
        """
        total, log_vars = super().parse_losses(losses)
        return total * torch.where(total.detach().isfinite(), 1.0, torch.nan), log_vars

    def stop_distillation(self) -> None:
        """From now on the losses are the student's alone, and the teacher is freed."""
        self.distilling, self.teacher = False, None
        self.further = FurtherTeachers((), self.architecture, None)
        if self.distiller.balance:
            self.distiller.balance.watching = False

    def _apply(self, fn: Callable, *args: Any, **kwargs: Any) -> FMKTDistill:
        if self.teacher:  # .to(device) and the like move the teacher too
            self.teacher.apply_to_tensors(fn)
            self.further.apply_to_tensors(fn)
        return super()._apply(fn, *args, **kwargs)


def check_detect(teachers: Sequence[FrozenTeacher]) -> None:
    """Raise a ValueError if there is a teacher that detects nothing."""
    for teacher in teachers:
        if not heads_of(teacher.detector):
            raise ValueError(
                '`evaluate_teacher` must be left out for teachers without heads, which detect nothing, but got '
                f'{type(teacher.detector).__name__}'
            )
