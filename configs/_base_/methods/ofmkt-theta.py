# OFM-KT^Θ (arXiv:2402.02012): no teacher, and the flow is a connector, which is not deployed.
_base_ = 'fmkt-theta.py'

algorithm = 'mmrazor.OFMKTThetaDistill'
distiller = dict(
    teacher_recorders=None,
    distill_losses=dict(
        _delete_=True,
        loss_ofmkt=dict(type='mmrazor.FMKTLoss', student_weight=1.0, target=dict(type='mmrazor.OwnOutput')),
    ),
    loss_forward_mappings=dict(
        _delete_=True, loss_ofmkt=dict(trajectories=dict(recorder='pyramid', from_student=True, connector='flow'))
    ),
)
for_students = dict(_delete_=True)
