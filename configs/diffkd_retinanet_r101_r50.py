# DiffKD: RetinaNet R101 -> RetinaNet R50, 2x schedule.
_base_ = '_base_/pairs/retinanet_r101_r50.py'
model = dict(method='diffkd')
