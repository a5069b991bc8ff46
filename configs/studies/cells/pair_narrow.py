# The teacher's pair with a small student of its own family, for any method.
_base_ = 'retinanet_r34.py'

custom_imports = dict(imports=['mmfmkt'], allow_failed_imports=False)
optim_wrapper = dict(type='mmrazor.AutoAmpOptimWrapper')
custom_hooks = [dict(type='mmrazor.ChannelsLastHook')]
_base_.model.backbone.update(depth=18, base_channels=8)
_base_.model.neck.update(in_channels=[8, 16, 32, 64])
model = dict(
    _delete_=True,
    type='mmrazor.FMKTPair',
    architecture=_base_.model,
    teacher='configs/studies/cells/retinanet_r34.py',
    teacher_ckpt='work_dirs/cells/teacher_seed0/epoch_48.pth',
)
