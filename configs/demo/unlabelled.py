# 500 scenes with boxes, and all 2,500 without: docs/unlabelled.md.
_base_ = 'pair.py'

train_dataloader = dict(dataset=dict(indices=500))
train_cfg = dict(max_epochs=60, val_interval=12)
param_scheduler = [_base_.param_scheduler[0], dict(_base_.param_scheduler[1], T_max=60)]
custom_hooks = [
    *_base_.custom_hooks,
    dict(
        type='mmrazor.UnlabelledHook',
        dataset=dict(type='mmrazor.UnlabelledImages', data_root='data/digits/train/', pipeline=_base_.train_pipeline),
        batch_size=16,
        num_workers=1,
    ),
]
