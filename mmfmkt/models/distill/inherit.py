"""Starting the student with the teacher's neck and head."""

from collections.abc import Sequence

from mmengine.logging import print_log
from torch import nn

from mmfmkt.common.messages import shorten

PARTS = ('neck', 'head')


def part_of(key: str) -> str:
    """The part of a detector that an entry of its state dict belongs to; what is neither backbone nor neck is head."""
    part = key.split('.')[0]
    return part if part in ('backbone', 'neck') else 'head'


def compare_part(student: nn.Module, teacher: nn.Module, part: str) -> tuple[list[str], list[str]]:
    """The entries of a part of the teacher that fit into the student, and why the others do not."""
    own, fitting, others = student.state_dict(), [], []
    for key, value in teacher.state_dict().items():
        if part_of(key) != part:
            continue
        if key in own and own[key].shape == value.shape:
            fitting.append(key)
        else:
            shape = f'student {tuple(own[key].shape)}' if key in own else 'not in the student'
            others.append(f'{key} (teacher {tuple(value.shape)}, {shape})')
    return fitting, others


def check_inherit(student: nn.Module, teacher: nn.Module, parts: Sequence[str]) -> None:
    """Raise a ValueError if a part is unknown, or if nothing of the teacher's fits into the student's."""
    parts = [parts] if isinstance(parts, str) else list(parts)
    if not set(parts) <= set(PARTS):
        raise ValueError(f'`inherit` must list parts of the detector, {" or ".join(PARTS)}, but got {parts}')
    for part in parts:
        fitting, others = compare_part(student, teacher, part)
        if not fitting:
            raise ValueError(
                f"`inherit` must name parts that fit, but nothing of the teacher's {part} fits into the "
                f"student's: {shorten(others) or 'the teacher has none'}"
            )


def inherit(student: nn.Module, teacher: nn.Module, parts: Sequence[str]) -> None:
    """Copy what fits of the teacher's parts into the student, and log what was copied and what was not."""
    own, of_teacher = student.state_dict(), teacher.state_dict()
    for part in [parts] if isinstance(parts, str) else parts:
        fitting, others = compare_part(student, teacher, part)
        for key in fitting:
            own[key].copy_(of_teacher[key])  # an entry of a state dict shares its memory with the parameter
        report = f"inherited {len(fitting)} of {len(fitting) + len(others)} entries of the teacher's {part}"
        if others:
            report += '; these do not fit:\n  ' + '\n  '.join(others)
        print_log(report, 'current')
