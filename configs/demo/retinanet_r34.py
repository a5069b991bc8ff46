# The teacher.
_base_ = 'retinanet_r18.py'
model = dict(backbone=dict(depth=34, base_channels=32), neck=dict(in_channels=[32, 64, 128, 256]))
