# What the demo's distilled students share: the teacher, and flows on all three levels of their pyramid of 64 channels,
# or in their head, whose tower has 64 too.
custom_imports = dict(imports=['mmfmkt'], allow_failed_imports=False)
teacher = dict(
    teacher='configs/demo/retinanet_r34.py',
    teacher_ckpt='work_dirs/demo/teacher/epoch_5.pth',
    # the figures of the demo were measured so, and its teacher is small
    teacher_inference=dict(precision='float32'),
)
conv_flow = dict(levels=(0, 1, 2), num_steps=4, meta_encoder=dict(type='mmrazor.ConvMetaEncoder', channels=64))
light_flow = dict(levels=(0, 1, 2), num_steps=4, meta_encoder=dict(type='mmrazor.LightMetaEncoder', channels=64))
light_head_flow = dict(num_steps=4, meta_encoder=dict(type='mmrazor.LightMetaEncoder', channels=64))
