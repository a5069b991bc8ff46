# OFM-KT (arXiv:2402.02012): no teacher. Every step of the flow in the student's neck learns from the mean of all.
_base_ = 'fmkt.py'

flow = dict(meta_encoder=dict(type='mmrazor.LightMetaEncoder'))  # the task alone has to train it
distiller = dict(
    teacher_recorders=None,
    distill_losses=dict(_delete_=True, loss_ofmkt=dict(type='mmrazor.FMKTLoss', target=dict(type='mmrazor.OwnOutput'))),
    loss_forward_mappings=dict(
        _delete_=True, loss_ofmkt=dict(trajectories=dict(recorder='trajectories', from_student=True))
    ),
)
for_students = dict(_delete_=True)
