# Logit FM-KT: the classifier of the student's head reads transported features of its tower.
_base_ = ['retinanet_r18.py', '_base_/distill.py', '../_base_/fmkt-logit.py']

model = dict(
    _delete_=True,
    type='mmrazor.FMKTDistill',
    architecture=dict(
        _base_.model, bbox_head=dict(type='mmdet.FlowHead', head=_base_.model.bbox_head, flow=_base_.light_head_flow)
    ),
    distiller=_base_.distiller,
    **_base_.teacher,
)
