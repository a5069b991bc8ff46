# GFL R50 -> GFL R18, 1x schedule.
_base_ = 'mmdet::gfl/gfl_r50_fpn_1x_coco.py'
custom_imports = dict(imports=['mmfmkt'], allow_failed_imports=False)
model = dict(
    _delete_=True,
    type='mmrazor.FMKTPair',
    architecture=dict(
        _base_.model,
        backbone=dict(
            _base_.model.backbone, depth=18, init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18')
        ),
        neck=dict(_base_.model.neck, in_channels=[64, 128, 256, 512]),
    ),
    teacher='mmdet::gfl/gfl_r50_fpn_1x_coco.py',
    teacher_ckpt='https://download.openmmlab.com/mmdetection/v2.0/gfl/gfl_r50_fpn_1x_coco/'
    'gfl_r50_fpn_1x_coco_20200629_121244-25944287.pth',
)
