"""What the levels of a detector's pyramid are, and which levels of two detectors belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmengine.model import BaseModel
from torch import Tensor

from .channels import image_channels
from .evaluating import evaluating, on_empty_image


@dataclass(frozen=True)
class Level:
    """A level of a pyramid: which of its features it is, counted from 0, pixels of the image a location, channels."""

    index: int
    stride: int
    channels: int


def find_source(detector: BaseModel) -> str:
    """The part that returns the pyramid: the neck, or the backbone of a detector without one."""
    return 'neck' if getattr(detector, 'neck', None) is not None else 'backbone'


def find_pyramid(detector: BaseModel) -> tuple[Level, ...]:
    """The levels of the pyramid that a detector's heads read, found by running it on an empty image on the CPU.

    Raises:
        ValueError: if it does not run there, if it makes no feature maps (B, C, H, W), or if they are not what its neck
            returns (the backbone, without a neck).
    """
    name, part, made = type(detector).__name__, find_source(detector), []
    hook = getattr(detector, part).register_forward_hook(lambda *call: made.append(call[-1]))
    try:
        with evaluating(detector):
            size, features = on_empty_image(
                lambda images: (images.shape[-1], detector.extract_feat(images)), image_channels(detector)
            )
    except Exception as error:
        raise ValueError(
            f'the pyramid of {name} could not be found, because its backbone and neck do not run on an empty '
            f'image on a CPU ({error}); write the distillation out by hand, from a file of configs/_base_/methods, as '
            'docs/variants.md#written-out shows'
        ) from error
    finally:
        hook.remove()
    features, source = ([each] if isinstance(each, Tensor) else each for each in (features, made[-1] if made else ()))
    if not isinstance(features, (tuple, list)) or not all(isinstance(f, Tensor) and f.dim() == 4 for f in features):
        raise ValueError(
            f'backbone and neck of {name} must make feature maps (B, C, H, W), one for each level, but they '
            f'made {type(features).__name__}; write the distillation out in a config'
        )
    if [id(feature) for feature in features] != [id(feature) for feature in source]:
        raise ValueError(
            f'`extract_feat` of {name} must return what its {part} makes, which is what is recorded and distilled, '
            f'but it changes that; make the change a part of the {part}, or write the distillation out in a config'
        )
    return tuple(
        Level(index, round(size / feature.shape[-1]), feature.shape[1]) for index, feature in enumerate(features)
    )


def check_branches(student: BaseModel) -> None:
    """Raise a ValueError if a student makes several pyramids of an image in training, and one at inference."""
    backbone = getattr(student, 'backbone', None)
    branches = getattr(backbone, 'num_branch', 1)
    if branches > 1:
        raise ValueError(
            'a student must have one pyramid of an image, as its teacher has, but in training its '
            f'{type(backbone).__name__} makes {branches}, one for each branch; take a student with another backbone'
        )


def match_levels(student: Sequence[Level], teacher: Sequence[Level]) -> list[tuple[Level, Level]]:
    """The levels of student and teacher that have the same stride, the finest first.

    Raises:
        ValueError: if there is none; the message shows both pyramids.
    """
    of_student, of_teacher = by_stride(student), by_stride(teacher)
    matched = [(of_student[stride], of_teacher[stride]) for stride in sorted(of_student) if stride in of_teacher]
    if not matched:
        raise ValueError(
            'student and teacher must have levels of the same stride, but there is none:\n'
            f'{describe("student", student)}\n{describe("teacher", teacher)}\n'
            'choose a teacher, or a neck of the student, with other strides'
        )
    return matched


def describe_matched(matched: Sequence[tuple[Level, Level]]) -> str:
    """What is transported, as a table; a student that learns from itself is matched with itself."""
    if all(student is teacher for student, teacher in matched):
        return describe('levels of the flow', [student for student, _ in matched])
    rows = ['levels compared:     stride   student: level, channels   teacher: level, channels']
    rows += [
        f'{student.stride:>27}{student.index:>18}{student.channels:>10}{teacher.index:>18}{teacher.channels:>10}'
        for student, teacher in matched
    ]
    return '\n'.join(rows)


def by_stride(pyramid: Sequence[Level]) -> dict[int, Level]:
    """The last level of every stride: of two stacks (CornerNet), heads predict from the second."""
    return {level.stride: level for level in pyramid}


def describe(title: str, pyramid: Sequence[Level]) -> str:
    """A pyramid as a table."""
    rows = [f'  {title}: level   stride   channels']
    rows += [f'{level.index:>{len(rows[0]) - 19}}{level.stride:>9}{level.channels:>11}' for level in pyramid]
    return '\n'.join(rows)
