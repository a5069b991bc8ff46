# FM-KT^Θ whose flow does not move the student: the student's own term is all that it learns from.
_base_ = 'theta-teacher.py'

distiller = dict(
    connectors=dict(flow=dict(type='mmrazor.DetachedFlowConnector')),
    distill_losses=dict(loss_fmkt=dict(student_target='flow')),
    loss_forward_mappings=dict(loss_fmkt=dict(student_features=dict(recorder='pyramid', from_student=True))),
)
