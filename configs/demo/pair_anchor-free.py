# Another kind of pair: a student without anchors, a teacher with them.
_base_ = 'rtmdet_r18.py'

custom_imports = dict(imports=['mmfmkt'], allow_failed_imports=False)
optim_wrapper = dict(type='mmrazor.AutoAmpOptimWrapper')
custom_hooks = [dict(type='mmrazor.ChannelsLastHook')]
model = dict(
    _delete_=True,
    type='mmrazor.FMKTPair',
    architecture=_base_.model,
    teacher='configs/demo/retinanet_r34.py',
    teacher_ckpt='configs/demo/teacher/retinanet_r34.pth',
)
