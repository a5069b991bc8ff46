# Logit FM-KT on COCO: Faster R-CNN R101 -> Faster R-CNN R50, 2x schedule.
_base_ = ['mmdet::faster_rcnn/faster-rcnn_r50_fpn_2x_coco.py', '_base_/fmkt-logit-roi.py']
custom_imports = dict(imports=['mmfmkt'], allow_failed_imports=False)

model = dict(
    _delete_=True,
    type='mmrazor.FMKTDistill',
    architecture=dict(
        _base_.model,
        roi_head=dict(
            _base_.model.roi_head,
            bbox_head=dict(type='mmdet.FlowHead', head=_base_.model.roi_head.bbox_head, flow=_base_.logit_flow))),
    teacher='mmdet::faster_rcnn/faster-rcnn_r101_fpn_2x_coco.py',
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/faster_rcnn/faster_rcnn_r101_fpn_2x_coco/'
    'faster_rcnn_r101_fpn_2x_coco_bbox_mAP-0.398_20200504_210455-1d2dac9c.pth',
    distiller=_base_.distiller)
optim_wrapper = dict(clip_grad=dict(max_norm=35, norm_type=2))
