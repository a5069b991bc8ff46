# FM-KT^Θ: Cascade Mask R-CNN X101-64x4d -> Faster R-CNN R50, 2x schedule.
_base_ = 'faster_rcnn/faster-rcnn_cascade-mask-x101_r50.py'
model = dict(method='fmkt-theta')
