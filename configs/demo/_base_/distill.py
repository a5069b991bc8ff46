# What the demo's distilled students share.
teacher = dict(teacher='configs/demo/retinanet_r34.py', teacher_ckpt='work_dirs/demo/teacher/epoch_5.pth')
# all three levels of the pyramid, which has 64 channels
demo_flow = dict(levels=(0, 1, 2), num_steps=4, meta_encoder=dict(type='mmrazor.ConvMetaEncoder', channels=64))
