# FM-KT: Faster R-CNN R101 -> Faster R-CNN R50, 1x schedule.
_base_ = 'faster_rcnn/faster-rcnn_r101_r50_1x.py'
model = dict(method='fmkt')
