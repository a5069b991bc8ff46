# Logit FM-KT^Θ (arXiv:2402.02012): the head reads its own features, and the flow is a connector beside it.
# It sees what the classifier of the head sees, once a level.
_base_ = 'fmkt-logit.py'

place = 'head_connector'
distiller = dict(
    student_recorders=dict(
        _delete_=True, classifier=dict(type='mmrazor.EveryModuleInputs', source='bbox_head.retina_cls')
    ),
    connectors=dict(
        flow=dict(
            type='mmrazor.FlowConnector', flow=dict(_base_.flow, precision='auto', levels=(0, 1, 2, 3, 4), shared=True)
        )
    ),
    distill_losses=dict(_delete_=True, loss_logit=dict(_base_.distiller.distill_losses.loss_logit, student_weight=1.0)),
    loss_forward_mappings=dict(
        _delete_=True,
        loss_logit=dict(
            _base_.distiller.loss_forward_mappings.loss_logit,
            trajectories=dict(recorder='classifier', from_student=True, connector='flow'),
        ),
    ),
)
