# FM-KT^Θ: the deployed model is the plain student of retinanet_r18.py.
_base_ = ['_base_/distill.py', '../_base_/methods/fmkt-theta.py']

model = dict(
    _delete_=True,
    type='mmrazor.FMKTDistill',
    architecture=_base_.model,
    distiller=dict(_base_.distiller, connectors=dict(flow=dict(type='mmrazor.FlowConnector', flow=_base_.light_flow))),
    **_base_.teacher,
)
