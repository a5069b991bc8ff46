# A student of another family than the teacher: it has points in the place of anchors.
_base_ = ['_base_/digits_detection.py', '_base_/schedule_demo.py', 'mmdet::_base_/default_runtime.py']
model = dict(
    type='RTMDet',
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=[127.5] * 3, std=[64.0] * 3, bgr_to_rgb=True, pad_size_divisor=32
    ),
    backbone=dict(type='ResNet', depth=18, base_channels=16, norm_cfg=dict(type='BN'), norm_eval=False),
    neck=dict(
        type='FPN', in_channels=[16, 32, 64, 128], out_channels=64, start_level=1, num_outs=3, norm_cfg=dict(type='BN')
    ),
    bbox_head=dict(
        type='RTMDetSepBNHead',
        num_classes=10,
        in_channels=64,
        feat_channels=64,
        stacked_convs=2,
        with_objectness=False,
        exp_on_reg=False,
        share_conv=True,
        pred_kernel_size=1,
        norm_cfg=dict(type='BN'),
        act_cfg=dict(type='ReLU'),
        anchor_generator=dict(type='MlvlPointGenerator', offset=0, strides=[8, 16, 32]),
        bbox_coder=dict(type='DistancePointBBoxCoder'),
        loss_cls=dict(type='QualityFocalLoss', use_sigmoid=True, beta=2.0),
        loss_bbox=dict(type='GIoULoss', loss_weight=2.0),
    ),
    train_cfg=dict(assigner=dict(type='DynamicSoftLabelAssigner', topk=13), allowed_border=-1, pos_weight=-1),
    test_cfg=dict(
        nms_pre=300, min_bbox_size=0, score_thr=0.02, nms=dict(type='nms', iou_threshold=0.5), max_per_img=50
    ),
)
default_hooks = dict(checkpoint=dict(max_keep_ckpts=2))
