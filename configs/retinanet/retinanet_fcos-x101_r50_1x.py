# FCOS X101-64x4d -> RetinaNet R50, 1x schedule.
_base_ = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'
custom_imports = dict(imports=['mmfmkt'], allow_failed_imports=False)
model = dict(
    _delete_=True,
    type='mmrazor.FMKTPair',
    architecture=_base_.model,
    teacher='mmdet::fcos/fcos_x101-64x4d_fpn_gn-head_ms-640-800-2x_coco.py',
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/fcos/fcos_x101_64x4d_fpn_gn-head_mstrain_640-800_2x_coco/'
    'fcos_x101_64x4d_fpn_gn-head_mstrain_640-800_2x_coco-ede514a8.pth',
)
