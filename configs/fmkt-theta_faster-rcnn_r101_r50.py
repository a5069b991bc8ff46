# FM-KT^Θ: Faster R-CNN R101 -> Faster R-CNN R50, 2x schedule.
_base_ = 'faster_rcnn/faster-rcnn_r101_r50.py'
model = dict(method='fmkt-theta')
