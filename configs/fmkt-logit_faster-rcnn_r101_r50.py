# Logit FM-KT on COCO: Faster R-CNN R101 -> Faster R-CNN R50, 2x schedule.
_base_ = [
    'mmdet::faster_rcnn/faster-rcnn_r50_fpn_2x_coco.py',
    '_base_/teachers/faster-rcnn_r101.py',
    '_base_/fmkt-logit-roi.py',
]
custom_imports = dict(imports=['mmfmkt'], allow_failed_imports=False)

model = dict(
    _delete_=True,
    type='mmrazor.FMKTDistill',
    architecture=dict(
        _base_.model,
        roi_head=dict(
            _base_.model.roi_head,
            bbox_head=dict(type='mmdet.FlowHead', head=_base_.model.roi_head.bbox_head, flow=_base_.logit_flow),
        ),
    ),
    distiller=_base_.distiller,
    **_base_.teacher,
)
optim_wrapper = dict(clip_grad=dict(max_norm=35, norm_type=2))
