# Logit FM-KT (arXiv:2402.02012): the classifier of the student's head reads a feature that a flow transports.
_base_ = 'fmkt-feature-logit.py'

place = 'head'
flow = dict(_delete_=True, **_base_.head_flow)
head_flow = None
distiller = dict(
    student_recorders=dict(
        _delete_=True,
        head_flow=_base_.distiller.student_recorders.head_flow,
        loss_cls=_base_.distiller.student_recorders.loss_cls,
    ),
    teacher_recorders=dict(_delete_=True, head=_base_.distiller.teacher_recorders.head),
    distill_losses=dict(
        _delete_=True,
        loss_logit=_base_.distiller.distill_losses.loss_logit,
        loss_step_task=_base_.distiller.distill_losses.loss_step_task,
    ),
    loss_forward_mappings=dict(
        _delete_=True,
        loss_logit=_base_.distiller.loss_forward_mappings.loss_logit,
        loss_step_task=_base_.distiller.loss_forward_mappings.loss_step_task,
    ),
)
for_students = dict(_delete_=True, two_stage=dict(metric=dict(_delete_=True, type='mmrazor.KLDivergence')))
