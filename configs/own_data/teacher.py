# The teacher, on the same data: a RetinaNet R101.
_base_ = 'student.py'

model = dict(backbone=dict(depth=101, init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101')))
