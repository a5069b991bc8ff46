# The teacher: deeper, twice as wide, and trained for twice as long.
_base_ = 'retinanet_r18.py'

max_epochs = 24
model = dict(backbone=dict(depth=34, base_channels=32), neck=dict(in_channels=[32, 64, 128, 256]))
train_cfg = dict(max_epochs=max_epochs)
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], T_max=max_epochs)]
