# What the demo's students share: fast training, the teacher, and flows on all three levels of their pyramid of 64
# channels, or in their head, whose tower has 64 too.
_base_ = '../retinanet_r18.py'

custom_imports = dict(imports=['mmfmkt'], allow_failed_imports=False)
optim_wrapper = dict(type='mmrazor.AutoAmpOptimWrapper')  # bfloat16 where the machine computes it
custom_hooks = [dict(type='mmrazor.ChannelsLastHook')]
teacher = dict(teacher='configs/demo/retinanet_r34.py', teacher_ckpt='configs/demo/teacher/retinanet_r34.pth')
conv_flow = dict(levels=(0, 1, 2), num_steps=4, meta_encoder=dict(type='mmrazor.ConvMetaEncoder', channels=64))
light_flow = dict(levels=(0, 1, 2), num_steps=4, meta_encoder=dict(type='mmrazor.LightMetaEncoder', channels=64))
light_head_flow = dict(num_steps=4, meta_encoder=dict(type='mmrazor.LightMetaEncoder', channels=64))
