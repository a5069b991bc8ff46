# OFM-KT^Θ: Faster R-CNN R50, 2x schedule.
_base_ = '_base_/pairs/faster-rcnn_cascade-mask-x101_r50.py'
model = dict(method='ofmkt-theta')
