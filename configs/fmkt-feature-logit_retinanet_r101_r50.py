# FM-KT on features and logits, on COCO: RetinaNet R101 -> RetinaNet R50, 2x schedule.
_base_ = [
    'mmdet::retinanet/retinanet_r50_fpn_2x_coco.py',
    '_base_/teachers/retinanet_r101.py',
    '_base_/fmkt-feature-logit.py',
]
custom_imports = dict(imports=['mmfmkt'], allow_failed_imports=False)

model = dict(
    _delete_=True,
    type='mmrazor.FMKTDistill',
    architecture=dict(
        _base_.model,
        neck=dict(type='mmdet.FlowNeck', neck=_base_.model.neck, flow=_base_.flow),
        bbox_head=dict(type='mmdet.FlowHead', head=_base_.model.bbox_head, flow=_base_.logit_flow),
    ),
    distiller=_base_.distiller,
    **_base_.teacher,
)
optim_wrapper = dict(clip_grad=dict(max_norm=35, norm_type=2))
