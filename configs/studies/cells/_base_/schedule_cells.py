# Photographs are few, so that there are more epochs than in the demo. The weight decay was searched on them, with the
# plain student (docs/results.md).
_base_ = '../../../demo/_base_/schedule_demo.py'

max_epochs = 48
train_cfg = dict(max_epochs=max_epochs, val_interval=8)
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], T_max=max_epochs)]
optim_wrapper = dict(optimizer=dict(weight_decay=2.0))
