# FM-KT on features and logits.
_base_ = ['retinanet_r18.py', '_base_/distill.py', '../_base_/fmkt-feature-logit.py']

model = dict(
    _delete_=True,
    type='mmrazor.FMKTDistill',
    architecture=dict(
        _base_.model,
        neck=dict(type='mmdet.FlowNeck', neck=_base_.model.neck, flow=_base_.conv_flow),
        bbox_head=dict(type='mmdet.FlowHead', head=_base_.model.bbox_head, flow=_base_.light_head_flow),
    ),
    distiller=_base_.distiller,
    **_base_.teacher,
)
