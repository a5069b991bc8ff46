# DiffKD: RetinaNet R101 -> RetinaNet R50, 1x schedule.
_base_ = '_base_/pairs/retinanet_r101_r50_1x.py'
model = dict(method='diffkd')
