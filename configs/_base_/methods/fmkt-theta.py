# FM-KT^Θ (arXiv:2402.02012): the student keeps its neck, and the flow is a connector, which is not deployed.
_base_ = 'fmkt.py'

place = 'connector'

distiller = dict(
    student_recorders=dict(_delete_=True, pyramid=dict(type='mmrazor.ModuleOutputs', source='neck')),
    connectors=dict(
        flow=dict(
            type='mmrazor.FlowConnector',
            # a weak flow leaves the student more to learn, and costs less; it is not deployed, so that bfloat16 may do
            flow=dict(_base_.flow, precision='auto', meta_encoder=dict(type='mmrazor.LightMetaEncoder', channels=256)),
        )
    ),
    distill_losses=dict(loss_fmkt=dict(student_weight=1.0)),
    loss_forward_mappings=dict(loss_fmkt=dict(trajectories=dict(recorder='pyramid', connector='flow'))),
)
