# A RetinaNet for 128x128 images: three levels, one anchor shape (digits are about 1.5 times as high as wide).
model = dict(
    type='RetinaNet',
    data_preprocessor=dict(
        type='DetDataPreprocessor', mean=[127.5] * 3, std=[64.0] * 3, bgr_to_rgb=True, pad_size_divisor=32
    ),
    backbone=dict(type='ResNet', norm_cfg=dict(type='BN'), norm_eval=False),
    # The head normalises what it reads, so that a weight decay would shrink features with a learned scale to nothing.
    neck=dict(type='FPN', out_channels=64, start_level=1, num_outs=3, norm_cfg=dict(type='BN', affine=False)),
    bbox_head=dict(
        type='RetinaSepBNHead',  # trained from scratch, it needs the normalisation
        num_ins=3,
        norm_cfg=dict(type='BN'),
        num_classes=10,
        in_channels=64,
        feat_channels=64,
        stacked_convs=2,
        anchor_generator=dict(
            type='AnchorGenerator', octave_base_scale=2, scales_per_octave=2, ratios=[1.5], strides=[8, 16, 32]
        ),
        bbox_coder=dict(type='DeltaXYWHBBoxCoder'),
        loss_cls=dict(type='FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25),
        loss_bbox=dict(type='L1Loss'),
    ),
    train_cfg=dict(
        assigner=dict(type='MaxIoUAssigner', pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0, ignore_iof_thr=-1),
        sampler=dict(type='PseudoSampler'),
        allowed_border=-1,
        pos_weight=-1,
    ),
    test_cfg=dict(
        nms_pre=300, min_bbox_size=0, score_thr=0.02, nms=dict(type='nms', iou_threshold=0.5), max_per_img=50
    ),
)
