# The pair for any method.
_base_ = 'retinanet_r18.py'

custom_imports = dict(imports=['mmfmkt'], allow_failed_imports=False)
optim_wrapper = dict(type='mmrazor.AutoAmpOptimWrapper')
custom_hooks = [dict(type='mmrazor.ChannelsLastHook')]
model = dict(
    _delete_=True,
    type='mmrazor.FMKTPair',
    architecture=_base_.model,
    teacher='configs/studies/cells/retinanet_r34.py',
    teacher_ckpt='work_dirs/cells/teacher_seed0/epoch_48.pth',
)
