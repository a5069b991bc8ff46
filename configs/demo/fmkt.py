# FM-KT: the heads of the student read the transported features.
_base_ = ['_base_/distill.py', '../_base_/methods/fmkt.py']

model = dict(
    _delete_=True,
    type='mmrazor.FMKTDistill',
    architecture=dict(_base_.model, neck=dict(type='mmdet.FlowNeck', neck=_base_.model.neck, flow=_base_.conv_flow)),
    distiller=_base_.distiller,
    **_base_.teacher,
)
