# The pair of a two-stage teacher and a one-stage student.
_base_ = 'pair.py'

model = dict(teacher='configs/demo/faster-rcnn_r34.py', teacher_ckpt='work_dirs/demo/faster-rcnn/epoch_24.pth')
