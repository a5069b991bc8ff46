# FM-KT^Θ: Mask R-CNN Swin-S -> RetinaNet R50, 2x schedule.
_base_ = 'retinanet/retinanet_mask-rcnn-swin-s_r50.py'
model = dict(method='fmkt-theta')
