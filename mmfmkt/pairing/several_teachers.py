"""Several teachers of a pair: the levels that all have, and a loss for each."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from mmfmkt.models.teacher.further_teachers import KEYS, listed_teachers

from .fill import Matched


def weighted_teachers(teacher: Any, checkpoint: Any, in_turn: bool) -> tuple[list[dict], list[float]]:
    """The teachers of a pair, and the share of each in the loss; in turn, each has that of all in its iterations.

    Raises:
        ValueError: if there is none, if one alone shall take turns, if an entry has other keys than teacher,
            teacher_ckpt and weight, or if a weight is not above 0.
    """
    teachers = listed_teachers(teacher, checkpoint)
    if in_turn and len(teachers) == 1:
        raise ValueError('`in_turn` must be used with several teachers, but got one')
    unknown = {key for each in teachers for key in each} - {*KEYS, 'weight'}
    if unknown:
        raise ValueError(
            f'each of several teachers must have {", ".join(KEYS)} and, if it shall count more, weight, but one has '
            f'{", ".join(sorted(unknown))}'
        )
    weights = [each.pop('weight', 1.0) for each in teachers]
    if not all(isinstance(weight, (int, float)) and weight > 0 for weight in weights):
        raise ValueError(f'`weight` of a teacher must be a number above 0, but got {weights}')
    whole = sum(weights) / len(weights) if in_turn else sum(weights)
    return teachers, [weight / whole for weight in weights]


def in_common(matched: Sequence[Matched]) -> list[Matched]:
    """Of what each teacher has in common with the student, the levels of the student that all have.

    Raises:
        ValueError: if there is none.
    """
    indices = [{student.index for student, _ in pairs} for pairs in matched]
    common = set.intersection(*indices)
    if not common:
        raise ValueError(
            'several teachers must have a level of the student in common, but theirs are '
            f'{", ".join(str(sorted(each)) for each in indices)}'
        )
    return [[pair for pair in pairs if pair[0].index in common] for pairs in matched]


def weighted(loss: dict, share: float) -> dict:
    """A loss between levels, times a share."""
    weight = loss.get('loss_weight', 1.0)
    weight = [share * each for each in weight] if isinstance(weight, (list, tuple)) else share * weight
    return dict(loss, loss_weight=weight)


def add_teacher(parts: dict, name: str, number: int, loss: dict) -> None:
    """Add the loss of a further teacher to a distiller, in the place of which `name` is that of the first.

    Args:
        parts: the distiller.
        name: of the first loss.
        number: of the teacher, from 1.
        loss: the loss, filled in.
    """
    recorder, own = f'pyramid_{number}', f'{name}_{number}'
    parts['teacher_recorders'][recorder] = dict(type='mmrazor.TeacherPyramid', teacher=number)
    mapping = copy.deepcopy(parts['loss_forward_mappings'][name])
    for record in mapping.values():
        if record.get('recorder') == 'pyramid' and not record.get('from_student'):
            record['recorder'] = recorder
    parts['distill_losses'][own] = loss
    parts['loss_forward_mappings'][own] = mapping
