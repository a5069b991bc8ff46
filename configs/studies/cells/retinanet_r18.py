# The student: a RetinaNet of the same kind, a quarter as wide as the teacher.
_base_ = 'retinanet_r34.py'

model = dict(backbone=dict(depth=18, base_channels=8), neck=dict(in_channels=[8, 16, 32, 64]))
