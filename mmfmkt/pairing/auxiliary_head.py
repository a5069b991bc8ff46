"""A head that is trained along, beside the losses of a method."""

from __future__ import annotations

from mmengine.model import BaseModel

from mmfmkt.models.losses.auxiliary_head_loss import AuxiliaryHeadLoss

from .method import Method

NAME = 'loss_auxiliary'
WEIGHTS = f'distiller.distill_losses.{NAME}.'  # what the names of its weights begin with


def head_settings(method: Method, of_pair: dict | bool, student: BaseModel, teacher: BaseModel | None) -> dict | None:
    """The settings of the auxiliary head of a pair; None if there is none.

    Args:
        method: how the pair is trained.
        of_pair: settings that differ, or whether there is one.
        student: the student detector.
        teacher: the teacher detector, if there is one.

    Raises:
        ValueError: if the pair wants one, and the detectors can have none, or if `of_pair` is something else.
    """
    if not isinstance(of_pair, (dict, bool)):
        raise ValueError(f'`auxiliary_head` of a pair must be a dict of settings, True or False, but got {of_pair!r}')
    if of_pair is False:
        return None
    if reason := why_none(method, student, teacher):
        raise ValueError(f'`auxiliary_head` of {method.name} must be left out for these detectors, because {reason}')
    return of_pair if isinstance(of_pair, dict) else {}


def why_none(method: Method, student: BaseModel, teacher: BaseModel | None) -> str | None:
    """Why there can be no auxiliary head; None if there can."""
    if method.of_logits and method.deploys_flow:
        return "it starts as the teacher's head, which lacks the flow in that of the student"
    return AuxiliaryHeadLoss.misfit(student, teacher)


def add_auxiliary_head(distiller: dict, settings: dict) -> None:
    """Let a distiller train a head along, which reads the output of its flow, or what the student's head reads."""
    recorders = distiller.setdefault('student_recorders', {})
    recorders.update(
        auxiliary_pyramid=dict(type='mmrazor.ModuleInputs', source='bbox_head'),
        auxiliary_predictions=dict(type='mmrazor.ModuleOutputs', source='bbox_head'),
    )
    recorders.setdefault('data_samples', dict(type='mmrazor.DataSamples'))
    distiller['distill_losses'][NAME] = dict(type='mmrazor.AuxiliaryHeadLoss', **settings)
    distiller['loss_forward_mappings'][NAME] = dict(
        pyramid=dict(recorder='auxiliary_pyramid', from_student=True, data_idx=0),
        predictions=dict(recorder='auxiliary_predictions', from_student=True),
        data_samples=dict(recorder='data_samples', from_student=True),
    )
    flow = (distiller.get('connectors') or {}).get('flow')
    if flow and 'pyramid' in recorders:
        trajectories = dict(recorder='pyramid', from_student=True, connector='flow')
        distiller['loss_forward_mappings'][NAME]['trajectories'] = trajectories
