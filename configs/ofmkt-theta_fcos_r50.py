# OFM-KT^Θ: FCOS R50, 2x schedule.
_base_ = '_base_/pairs/fcos_r101_r50.py'
model = dict(method='ofmkt-theta')
