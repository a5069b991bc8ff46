"""Do the heads of student and teacher tell the same number of classes apart?"""

import re

from mmdet.models.dense_heads import RPNHead
from torch import nn

# a stage of a cascade has a number; RPNs and semantic heads count something else
BOX_OR_MASK_HEAD = re.compile(r'(^|\.)(bbox_head|mask_head)(\.\d+)?$')


def class_counts(detector: nn.Module) -> set[int]:
    """`num_classes` of every box and mask head; none of a detector that reads its classes from a text."""
    if any(hasattr(module, 'language_model') for module in detector.modules()):
        return set()
    return {
        module.num_classes
        for name, module in detector.named_modules()
        if BOX_OR_MASK_HEAD.search(name)
        and isinstance(getattr(module, 'num_classes', None), int)
        and not isinstance(module, RPNHead)
    }


def check_class_counts(student: nn.Module, *teachers: nn.Module) -> None:
    """Raise a ValueError if student and a teacher are known to detect different numbers of classes."""
    of_student = class_counts(student)
    for of_teacher in map(class_counts, teachers):
        if of_student and of_teacher and of_student != of_teacher:
            raise ValueError(
                f'student and teacher must detect the same classes, but the student has {sorted(of_student)} '
                f'and the teacher {sorted(of_teacher)}; train the teacher on the data set of the student, or, if '
                'features alone shall be compared, set `check_classes=False` of the model'
            )
