# The student.
_base_ = [
    '_base_/retinanet_digits.py',
    '_base_/digits_detection.py',
    '_base_/schedule_demo.py',
    'mmdet::_base_/default_runtime.py',
]
model = dict(backbone=dict(depth=18, base_channels=16), neck=dict(in_channels=[16, 32, 64, 128]))
default_hooks = dict(checkpoint=dict(max_keep_ckpts=2))
