"""What an algorithm is told about its teacher."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TeacherSettings:
    """The settings of :class:`~mmfmkt.models.distill.fmkt_distill.FMKTDistill` that are about the teacher.

    Args:
        teacher: config file, 'package::' config or config dict of the teacher, a detector or a TimmTeacher. Without a
            teacher (OFM-KT) no loss may read one. Several are a list of dict(teacher=..., teacher_ckpt=...): all that
            is said of the teacher is the first, and recorders of the type 'mmrazor.TeacherPyramid' have the pyramids
            of the others.
        teacher_ckpt: file or address of the teacher's weights, which are loaded strictly; of a TimmTeacher also 'timm'.
        inherit: 'neck', 'head' or both: parts of the student that start with the teacher's weights, as far as they fit.
            A checkpoint that is loaded into the student comes after it.
        evaluate_teacher: measure the teacher on the validation data before training, and print it.
        check_classes: refuse a teacher that detects another number of classes than the student, or whose checkpoint
            names others than the data set.
        teacher_inference: arguments of :class:`~mmfmkt.models.teacher.teacher_inference.TeacherInference`: precision
            and preparation of the teacher's backbone and neck. They run as they are if something inside them is
            recorded.
        in_turn: each iteration has one of several teachers, in their order; the others do not run.
    """

    teacher: str | dict | Sequence[dict] | None = None
    teacher_ckpt: str | None = None
    inherit: str | Sequence[str] = ()
    evaluate_teacher: bool = False
    check_classes: bool = True
    teacher_inference: dict | None = None
    in_turn: bool = False
