# Logit FM-KT on a dense head: what stands in fmkt-feature-logit.py without the pyramid. The head is a FlowHead.
_base_ = 'fmkt-feature-logit.py'

distiller = dict(
    student_recorders=dict(
        _delete_=True,
        logit_trajectories=_base_.distiller.student_recorders.logit_trajectories,
        loss_cls_calls=_base_.distiller.student_recorders.loss_cls_calls,
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
