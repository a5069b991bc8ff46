"""How many channels the images of a detector have."""

from mmdet.models.backbones.csp_darknet import Focus
from torch import nn


def image_channels(detector: nn.Module) -> int:
    """3 for colours, 1 for grey, more for what other cameras see: what the first convolution of the backbone reads."""
    for module in getattr(detector, 'backbone', detector).modules():  # a module comes before its children
        if isinstance(module, Focus):  # it lays four pixels on top of each other before its convolution
            return image_channels(module.conv) // 4
        if isinstance(module, nn.Conv2d):
            return module.in_channels
    return 3


def check_channels(student: nn.Module, teacher: nn.Module) -> None:
    """Raise a ValueError if student and teacher read images of different channels: they are shown the same ones."""
    of_student, of_teacher = image_channels(student), image_channels(teacher)
    if of_student != of_teacher:
        raise ValueError(
            f'student and teacher must read images of as many channels, but the student reads {of_student} and the '
            f'teacher {of_teacher}; set `backbone.in_channels` of the student, or train the teacher on the images of '
            'the student'
        )
