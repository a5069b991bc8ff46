# OFM-KT^Θ: RetinaNet R18, 1x schedule.
_base_ = '_base_/pairs/retinanet_r50_r18_1x.py'
model = dict(method='ofmkt-theta')
