# The teacher.
_base_ = [
    '_base_/cells_detection.py',
    '_base_/schedule_cells.py',
    '../../demo/_base_/retinanet_digits.py',
    'mmdet::_base_/default_runtime.py',
]

model = dict(
    backbone=dict(depth=34, base_channels=32),
    neck=dict(in_channels=[32, 64, 128, 256]),
    bbox_head=dict(num_classes=3, anchor_generator=dict(ratios=[1.0])),
    test_cfg=dict(max_per_img=100),
)
