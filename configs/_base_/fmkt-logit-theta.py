# Logit FM-KT^Θ on a dense head, a RetinaNet's: the head reads its own features, and the flow is a connector that sees
# what its classifier sees, once a level.
_base_ = 'fmkt-logit.py'

distiller = dict(
    student_recorders=dict(_delete_=True, tower=dict(type='mmrazor.EveryModuleInputs', source='bbox_head.retina_cls')),
    connectors=dict(
        flow=dict(type='mmrazor.FlowConnector', flow=dict(_base_.logit_flow, levels=(0, 1, 2, 3, 4), shared=True))
    ),
    distill_losses=dict(
        _delete_=True,
        loss_logit=dict(_base_.distiller.distill_losses.loss_logit, type='mmrazor.FMKTThetaLoss', student_weight=1.0),
    ),
    loss_forward_mappings=dict(
        _delete_=True,
        loss_logit=dict(
            _base_.distiller.loss_forward_mappings.loss_logit,
            trajectories=dict(recorder='tower', from_student=True, connector='flow'),
        ),
    ),
)
