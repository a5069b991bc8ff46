# FitNets: Faster R-CNN R101 -> Faster R-CNN R50, 1x schedule.
_base_ = '_base_/pairs/faster-rcnn_r101_r50_1x.py'
model = dict(method='fitnet')
